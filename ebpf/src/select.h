/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* To which backend: the one the flow has, else the one the ring gives. Only
 * reads; what is chosen is remembered when it is known that it can be sent.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>
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
	struct loom_flow_entry *entry; /* NULL: the flow is not in the table */
	struct loom_flow_entry *reply; /* NAT: the other direction's; or NULL */
};

/* The live entry of the client's direction, if any, into sel. In NAT a quiet
 * client is alive as long as the backend talks, and a reply entry with another
 * owner means that the flow has lost its port.
 */
static __always_inline void select_known(const struct packet *pkt,
					 struct selection *sel)
{
	struct loom_flow_entry *entry, *reply;

	entry = bpf_map_lookup_elem(&loom_flows, &pkt->flow);
	if (!entry || entry->flags & LOOM_FLOW_F_REPLY)
		return;
	if (!entry->other.proto) {
		if (flow_is_fresh(entry, pkt->now))
			sel->entry = entry;
		return;
	}

	reply = bpf_map_lookup_elem(&loom_flows, &entry->other);
	if (reply && !flow_equal(&reply->other, &pkt->flow))
		return;
	if (!flow_is_fresh(entry, pkt->now) &&
	    !(reply && flow_is_fresh(reply, pkt->now)))
		return;
	sel->entry = entry;
	sel->reply = reply;
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
	       has_pair == (backend->forwarding == LOOM_FORWARD_NAT);
}

/* May the flow stay where its entry says? Under another service the same VIP
 * and port mean something else.
 */
static __always_inline bool select_stays(__u32 service_id,
					 struct selection *sel)
{
	__u32 id = sel->entry->backend;
	const struct loom_backend *backend;

	backend = bpf_map_lookup_elem(&loom_backends, &id);
	if (!backend || !backend->forwarding ||
	    backend->flags & LOOM_BACKEND_F_DOWN ||
	    backend->service != service_id)
		return false;
	if (!select_names(sel->entry, backend, id))
		return false;
	sel->backend = backend;
	sel->backend_id = id;
	return true;
}

/* An entry that names the ring's choice is kept: a SYN sent twice, or a port
 * used again, goes on under the same NAT port.
 */
static __always_inline enum loom_verdict
select_by_ring(__u32 service_id, const struct packet *pkt,
	       struct selection *sel)
{
	const struct loom_service *service;
	enum loom_verdict verdict;

	service = bpf_map_lookup_elem(&loom_services, &service_id);
	if (!service || !service->forwarding)
		return LOOM_DROP_NO_BACKEND;
	if (service->forwarding == LOOM_FORWARD_NAT &&
	    pkt->flow.proto == IPPROTO_TCP && !packet_is_open(pkt))
		return LOOM_DROP_NO_FLOW;

	verdict = ring_lookup(service_id, &pkt->flow, &sel->backend_id);
	if (verdict)
		return verdict;
	sel->backend = bpf_map_lookup_elem(&loom_backends, &sel->backend_id);
	if (!sel->backend)
		return LOOM_ABORT_BACKEND_INVALID;
	if (!sel->backend->forwarding)
		return LOOM_DROP_NO_BACKEND;
	if (sel->entry &&
	    !select_names(sel->entry, sel->backend, sel->backend_id))
		sel->entry = NULL;
	return LOOM_CONTINUE;
}

/* A SYN always asks the ring: a reused port must not reach a backend that is
 * being drained.
 */
static __always_inline enum loom_verdict
select_backend(const struct loom_listener *listener, struct packet *pkt,
	       struct selection *sel)
{
	__u32 service_id = listener->service;
	enum loom_verdict verdict;

	select_known(pkt, sel);
	if (!sel->entry || packet_is_open(pkt) ||
	    !select_stays(service_id, sel)) {
		verdict = select_by_ring(service_id, pkt, sel);
		if (verdict)
			return verdict;
	}
	pkt->backend = sel->backend_id;
	return LOOM_CONTINUE;
}

/* DSR only: NAT stores a pair. A failure costs nothing but the memory: the ring
 * finds the flow again.
 */
static __always_inline void select_remember(struct packet *pkt,
					    const struct selection *sel)
{
	struct loom_flow_entry entry;

	if (sel->entry) {
		flow_touch(sel->entry, pkt);
		return;
	}
	if (pkt->tcp_flags & PACKET_TCP_RST)
		return;
	flow_init(&entry, pkt);
	entry.backend = sel->backend_id;
	entry.generation = sel->backend->generation;
	pkt->new_flow = !flow_store(&pkt->flow, &entry, BPF_ANY);
}
