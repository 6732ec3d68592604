/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* To which backend: the one the flow has, else the one the ring gives. Only
 * reads; what is chosen is remembered when it is known that it can be sent.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flow.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "packet.h"
#include "ring.h"

struct selection {
	const struct loom_backend *backend;
	__u32 backend_id;
	enum flow_table table;         /* of entry and reply */
	struct loom_flow_entry *entry; /* NULL: the flow is in no table */
	struct loom_flow_entry *reply; /* NAT: the other direction's; or NULL */
	bool confirms; /* the packet ends the entry's probation */
	bool forgets;  /* not 0: the flow is not remembered */
};

/* The live entry of the client's direction, if any, into sel. In NAT a quiet
 * client is alive as long as the backend talks, and a reply entry with another
 * owner means that the flow has lost its port. Returns the entry even if it is
 * dead.
 */
static __always_inline struct loom_flow_entry *
select_known(enum flow_table table, const struct packet *pkt,
	     struct selection *sel)
{
	struct loom_flow_entry *entry, *reply;

	sel->table = table;
	entry = flow_find(table, &pkt->flow);
	if (!entry || entry->flags & LOOM_FLOW_F_REPLY)
		return NULL;
	if (!entry->other.proto) {
		if (flow_is_fresh(entry, pkt->now))
			sel->entry = entry;
		return entry;
	}

	reply = flow_find(table, &entry->other);
	if (reply && !flow_equal(&reply->other, &pkt->flow))
		return entry;
	if (!flow_is_fresh(entry, pkt->now) &&
	    !(reply && flow_is_fresh(reply, pkt->now)))
		return entry;
	sel->entry = entry;
	sel->reply = reply;
	return entry;
}

/* A backend that is this host gets its packets as they are. */
static __always_inline bool select_is_nat(const struct loom_backend *backend)
{
	return backend->forwarding == LOOM_FORWARD_NAT &&
	       !(backend->flags & LOOM_BACKEND_F_LOCAL);
}

/* Without memory NAT would not know its own replies. */
static __always_inline bool select_forgets(const struct loom_service *service)
{
	return service->affinity == LOOM_AFFINITY_NONE &&
	       service->forwarding != LOOM_FORWARD_NAT;
}

/* The entry speaks of this very backend. A new generation is another backend
 * under the same id.
 */
static __always_inline bool select_names(const struct loom_flow_entry *entry,
					 const struct loom_backend *backend,
					 __u32 backend_id)
{
	bool has_pair = entry->other.proto;

	return entry->backend == backend_id &&
	       entry->generation == backend->generation &&
	       has_pair == select_is_nat(backend);
}

/* A backend of this service that flows may stay with. */
static __always_inline bool select_is_alive(__u32 service_id,
					    const struct loom_backend *backend)
{
	return backend && backend->forwarding &&
	       !(backend->flags & LOOM_BACKEND_F_DOWN) &&
	       backend->service == service_id;
}

/* May the flow stay where its entry says? Under another service the same VIP
 * and port mean something else. sel->backend is NULL if not.
 */
static __always_inline bool select_stays(__u32 service_id,
					 struct selection *sel)
{
	__u32 id = sel->entry->backend;
	const struct loom_backend *backend;

	backend = bpf_map_lookup_elem(&loom_backends, &id);
	if (!select_is_alive(service_id, backend))
		return false;
	if (!select_names(sel->entry, backend, id))
		return false;
	sel->backend = backend;
	sel->backend_id = id;
	return true;
}

/* The packet that a client sends when it has had an answer to this SYN. */
static __always_inline bool select_answers(const struct packet *pkt,
					   __be32 syn_seq)
{
	return pkt->tcp_seq == bpf_htonl(bpf_ntohl(syn_seq) + 1);
}

/* Does the packet belong to this entry on probation? A SYN only if it is the
 * same SYN again; what a confirmed flow claims too, only if it continues the
 * SYN. An RST confirms nothing.
 */
static __always_inline bool
select_follows(const struct packet *pkt, struct selection *sel, bool is_claimed)
{
	__be32 syn_seq = sel->entry->syn_seq;
	bool from_syn = sel->entry->state == LOOM_STATE_SYN_SENT;
	bool answers = from_syn && select_answers(pkt, syn_seq);

	if (packet_is_open(pkt))
		return from_syn && pkt->tcp_seq == syn_seq;
	sel->confirms = (answers || !from_syn) &&
			!(pkt->tcp_flags & (PACKET_TCP_SYN | PACKET_TCP_RST));
	return answers || !is_claimed;
}

/* Opens a flow, as far as one can tell: every datagram does that is of no flow
 * we know.
 */
static __always_inline bool select_opens(const struct packet *pkt)
{
	return pkt->flow.proto != IPPROTO_TCP || packet_is_open(pkt);
}

/* A packet in the middle of a flow that is not known goes by hash under every
 * algorithm: all balancers then send it to the same backend.
 */
static __always_inline __u32 select_slot(__u32 service_id,
					 const struct loom_service *service,
					 const struct packet *pkt, bool forgets)
{
	if (service->affinity == LOOM_AFFINITY_SOURCE_IP)
		return ring_slot(flow_hash_source(&pkt->flow));
	if (service->algorithm == LOOM_ALGORITHM_ROTOR && !forgets &&
	    select_opens(pkt))
		return ring_turn(service_id);
	return ring_slot(flow_hash(&pkt->flow));
}

static __always_inline bool select_is_limited(void)
{
	__u32 zero = 0;
	const struct loom_settings *settings;

	settings = bpf_map_lookup_elem(&loom_settings, &zero);
	return settings && settings->flags & LOOM_SETTING_CONNECTION_LIMIT;
}

/* Of a slot that changed hands lately, or has flows of another backend: a SYN
 * opens a flow with its owner. Anything else may belong to a flow that is older
 * than the change and whose entry is lost: it goes to who had the slot then.
 */
static __always_inline __u32 select_owner(__u32 service_id, loom_slot slot,
					  const struct packet *pkt)
{
	__u32 previous = LOOM_SLOT_PREVIOUS(slot);
	const struct loom_backend *backend;

#ifdef LOOM_TEST_NO_PAST
	return LOOM_SLOT_CURRENT(slot);
#endif

	if (!LOOM_SLOT_FLAGGED(slot) || packet_is_open(pkt) ||
	    previous == LOOM_SLOT_CURRENT(slot))
		return LOOM_SLOT_CURRENT(slot);
	backend = bpf_map_lookup_elem(&loom_backends, &previous);
	return select_is_alive(service_id, backend) ? previous
						    : LOOM_SLOT_CURRENT(slot);
}

static __always_inline enum loom_verdict
select_by_ring(__u32 service_id, const struct loom_service *service,
	       const struct packet *pkt, struct selection *sel)
{
	loom_slot slot;

	if (!sel->forgets && select_opens(pkt) && select_is_limited())
		return LOOM_PASS_CONNECTION_LIMIT;

	slot = ring_lookup(service_id,
			   select_slot(service_id, service, pkt, sel->forgets));
	sel->backend_id = select_owner(service_id, slot, pkt);
	if (!sel->backend_id)
		return LOOM_DROP_NO_BACKEND;
	sel->backend = bpf_map_lookup_elem(&loom_backends, &sel->backend_id);
	if (!sel->backend)
		return LOOM_ABORT_BACKEND_INVALID;
	if (!sel->backend->forwarding)
		return LOOM_DROP_NO_BACKEND;
	/* A backend that is this host needs no NAT, and so no memory. */
	if (service->forwarding == LOOM_FORWARD_NAT && !select_opens(pkt) &&
	    !(sel->backend->flags & LOOM_BACKEND_F_LOCAL))
		return LOOM_DROP_NO_FLOW;
	return LOOM_CONTINUE;
}

/* Where the flow's entry is and whether it may stay with it; sel has what
 * loom_flows knows of it. A SYN only continues its own first copy: a reused
 * port must not reach a backend that is being drained.
 */
static __always_inline bool select_remembers(__u32 service_id,
					     const struct packet *pkt,
					     struct selection *sel)
{
	struct selection waiting = {};

	select_known(FLOW_PROBATION, pkt, &waiting);
	if (waiting.entry && select_follows(pkt, &waiting, sel->backend)) {
		*sel = waiting;
		return select_stays(service_id, sel);
	}
	if (packet_is_open(pkt)) {
		sel->entry = NULL;
		return false;
	}
	if (sel->backend && !waiting.entry)
		sel->entry->flags &= ~LOOM_FLOW_F_CONTESTED;
	return sel->backend;
}

/* For a packet that is not simply the next one of a confirmed flow. Where the
 * ring gives what an entry names already, as when all backends are down, the
 * flow goes on as it is. Not inlined: the hot path needs its stack.
 */
static __noinline enum loom_verdict
select_anew(__u32 service_id, const struct loom_service *service,
	    const struct packet *pkt, struct selection *sel)
{
	enum loom_verdict verdict;

	if (!sel->forgets && select_remembers(service_id, pkt, sel))
		return LOOM_CONTINUE;
	verdict = select_by_ring(service_id, service, pkt, sel);
	if (verdict)
		return verdict;
	if (sel->entry &&
	    !select_names(sel->entry, sel->backend, sel->backend_id))
		sel->entry = NULL;
	return LOOM_CONTINUE;
}

/* The entry in loom_flows alone says where the packet goes. */
static __always_inline bool select_is_settled(__u32 service_id,
					      const struct packet *pkt,
					      struct selection *sel)
{
	struct loom_flow_entry *entry = select_known(FLOW_CONFIRMED, pkt, sel);

	if (entry && packet_is_open(pkt))
		entry->flags |= LOOM_FLOW_F_CONTESTED;
	return sel->entry && select_stays(service_id, sel) &&
	       !(sel->entry->flags & LOOM_FLOW_F_CONTESTED);
}

/* A global function: the verifier walks the look-ups once, and not once with
 * each outcome.
 */
__noinline int select_is_flagged(__u32 service_id, __u32 slot)
{
	return LOOM_SLOT_FLAGGED(ring_lookup(service_id, slot));
}

/* The ring alone says where the packet goes, and will say the same later. */
static __always_inline bool
select_needs_no_table(__u32 service_id, const struct loom_service *service,
		      const struct packet *pkt)
{
	__u32 slot;

	if (select_forgets(service))
		return true;
	if (!(service->flags & LOOM_SERVICE_F_AT_RISK))
		return false;
	slot = select_slot(service_id, service, pkt, true);
	return !select_is_flagged(service_id, slot);
}

static __always_inline enum loom_verdict
select_backend(const struct loom_listener *listener, struct packet *pkt,
	       struct selection *sel)
{
	__u32 service_id = listener->service;
	const struct loom_service *service;
	enum loom_verdict verdict;

	service = bpf_map_lookup_elem(&loom_services, &service_id);
	if (!service || !service->forwarding)
		return LOOM_DROP_NO_BACKEND;
	sel->forgets = select_needs_no_table(service_id, service, pkt);
	if (sel->forgets || !select_is_settled(service_id, pkt, sel)) {
		verdict = select_anew(service_id, service, pkt, sel);
		if (verdict)
			return verdict;
	}
	pkt->backend = sel->backend_id;
	return LOOM_CONTINUE;
}

/* Accounts the packet to the entry it belongs to. Until the client has
 * answered, the rest may be anybody's, and leaves the state of a SYN's entry.
 */
static __always_inline void select_touch(const struct packet *pkt,
					 const struct selection *sel)
{
	if (sel->table == FLOW_CONFIRMED || sel->confirms ||
	    sel->entry->state != LOOM_STATE_SYN_SENT)
		sel->entry->state = flow_next_state(sel->entry->state, pkt);
	flow_account(sel->entry, pkt);
}

/* DSR only: NAT stores a pair. A failure costs nothing but the memory: the ring
 * finds the flow again.
 */
static __always_inline void select_store(struct packet *pkt,
					 const struct selection *sel)
{
	struct loom_flow_entry *entry = flow_draft_first(pkt);

	if (!entry)
		return;
	entry->backend = sel->backend_id;
	entry->generation = sel->backend->generation;
	pkt->new_flow = !flow_store(FLOW_PROBATION, &pkt->flow, entry, BPF_ANY);
}

static __always_inline void select_remember(struct packet *pkt,
					    const struct selection *sel)
{
	if (sel->forgets)
		return;
	if (!sel->entry) {
		if (!(pkt->tcp_flags & PACKET_TCP_RST))
			select_store(pkt, sel);
		return;
	}
	select_touch(pkt, sel);
	if (sel->confirms)
		flow_confirm(&pkt->flow, sel->entry);
}
