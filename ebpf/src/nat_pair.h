/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The two entries of a NAT flow, one per direction. Each is keyed by the
 * 5-tuple of its packets as they arrive and holds the other's key, so either
 * can be rebuilt from the other, and a packet leaves with the reverse of that
 * other key. Both are in the same table.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "flow.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "packet.h"
#include "select.h"

#define NAT_PROBES 16
/* A prime: the probes of neighbours do not share a cluster. */
#define NAT_STRIDE 7919

static __always_inline void nat_set_peer(struct loom_flow_entry *entry,
					 const struct packet *pkt)
{
	__builtin_memcpy(entry->peer_mac, pkt->smac, ETH_ALEN);
	entry->peer_ifindex = pkt->ingress;
}

static __always_inline bool nat_peer_moved(const struct loom_flow_entry *entry,
					   const struct packet *pkt)
{
	return entry->peer_ifindex != pkt->ingress ||
	       !packet_mac_equal(entry->peer_mac, pkt->smac);
}

/* Neither direction has seen a packet in time. */
static __always_inline bool nat_is_expired(enum flow_table table,
					   const struct loom_flow *key,
					   const struct loom_flow_entry *entry,
					   __u64 now)
{
	const struct loom_flow_entry *pair;

	if (flow_is_fresh(entry, now))
		return false;
	pair = flow_find(table, &entry->other);
	return !pair || !flow_equal(&pair->other, key) ||
	       !flow_is_fresh(pair, now);
}

/* The port belongs to another flow than owner in this table. */
static __always_inline bool nat_is_taken(enum flow_table table,
					 const struct loom_flow *key,
					 const struct loom_flow *owner,
					 __u64 now)
{
	const struct loom_flow_entry *holder = flow_find(table, key);

	return holder && !flow_equal(&holder->other, owner) &&
	       !nat_is_expired(table, key, holder, now);
}

/* 0 if the reply entry is now on probation and its port ours. A flow that ends
 * its probation is in both tables for a moment, so whoever looks into this one
 * first and into the other one second does not miss it.
 */
static __always_inline int nat_claim(const struct loom_flow *key,
				     const struct loom_flow_entry *reply)
{
	int err = flow_store(FLOW_PROBATION, key, reply, BPF_NOEXIST);

	if (err == -EEXIST) {
		if (nat_is_taken(FLOW_PROBATION, key, &reply->other,
				 reply->created))
			return -EEXIST;
		err = flow_store(FLOW_PROBATION, key, reply, BPF_ANY);
	}
	if (err)
		return err;
	if (!nat_is_taken(FLOW_CONFIRMED, key, &reply->other, reply->created))
		return 0;
	bpf_map_delete_elem(&loom_probation, key);
	return -EEXIST;
}

/* Finds a free port: key->dport. */
static __always_inline int nat_claim_port(struct loom_flow *key,
					  const struct loom_flow_entry *reply)
{
	__u32 min = loom_config.nat_port_min;
	__u32 range = loom_config.nat_port_max - min + 1;
	__u32 hash = flow_hash(&reply->other);
	int err = -EEXIST;

	for (__u32 i = 0; i < NAT_PROBES && err == -EEXIST; i++) {
		key->dport = bpf_htons(min + (hash + i * NAT_STRIDE) % range);
		err = nat_claim(key, reply);
	}
	return err;
}

/* Both entries of a new flow. If only the reply entry could be stored, the
 * first reply rebuilds the other. Not inlined: the caller's stack is full.
 */
static __noinline enum loom_verdict
nat_open(struct packet *pkt, const struct selection *sel, struct loom_flow *key)
{
	const struct loom_backend *backend = sel->backend;
	struct loom_flow_entry *entry = flow_draft_first(pkt);

	if (!entry)
		return LOOM_ABORT_BACKEND_INVALID;
	/* Not as one literal, which clang would put together on the stack. */
	__builtin_memset(key, 0, sizeof(*key));
	key->src = backend->addr;
	key->dst = backend->source;
	key->sport = backend->port ? backend->port : pkt->flow.dport;
	key->proto = pkt->flow.proto;
	entry->backend = sel->backend_id;
	entry->generation = backend->generation;
	nat_set_peer(entry, pkt);

	entry->other = pkt->flow;
	entry->packets = 0;
	entry->bytes = 0;
	entry->flags = LOOM_FLOW_F_REPLY;
	if (nat_claim_port(key, entry))
		return LOOM_DROP_NO_NAT_PORT;

	entry->other = *key;
	entry->packets = 1;
	entry->bytes = pkt->frame_len;
	entry->flags = 0;
	flow_store(FLOW_PROBATION, &pkt->flow, entry, BPF_ANY);
	pkt->new_flow = true;
	return LOOM_CONTINUE;
}

/* Puts the other direction's entry back after it was evicted. -EEXIST: the key
 * belongs to another flow by now.
 */
static __noinline int nat_rebuild(enum flow_table table,
				  const struct loom_flow_entry *from,
				  const struct packet *pkt)
{
	struct loom_flow_entry *entry = flow_draft();

	if (!entry)
		return -ENOMEM;
	*entry = *from;
	entry->other = pkt->flow;
	entry->packets = 0;
	entry->bytes = 0;
	if (!(from->flags & LOOM_FLOW_F_REPLY)) {
		entry->flags = LOOM_FLOW_F_REPLY;
		if (nat_is_taken(FLOW_PROBATION, &from->other, &pkt->flow,
				 pkt->now) ||
		    nat_is_taken(FLOW_CONFIRMED, &from->other, &pkt->flow,
				 pkt->now))
			return -EEXIST;
		return flow_store(table, &from->other, entry, BPF_NOEXIST);
	}
	/* On probation the client may have gone on to another backend, or it
	 * has yet to answer. A confirmed flow's SYN may have come while its
	 * entry was away.
	 */
	if (flow_find(FLOW_CONFIRMED, &from->other))
		return 0;
	entry->flags = table == FLOW_CONFIRMED ? LOOM_FLOW_F_CONTESTED : 0;
	if (table == FLOW_PROBATION && entry->state == LOOM_STATE_SYN_RECV)
		entry->state = LOOM_STATE_SYN_SENT;
	return flow_store(table, &from->other, entry, BPF_NOEXIST);
}

/* A reset ends both directions, whichever of them is the idle one. */
static __always_inline void nat_end(struct loom_flow_entry *other,
				    const struct packet *pkt)
{
	if (pkt->tcp_flags & PACKET_TCP_RST &&
	    other->state == LOOM_STATE_ESTABLISHED)
		other->state = LOOM_STATE_TIME_WAIT;
}

/* Both directions move; the reply first, because the port is what others could
 * take.
 */
static __noinline void nat_confirm(const struct packet *pkt,
				   const struct loom_flow_entry *entry)
{
	const struct loom_flow_entry *reply =
		flow_find(FLOW_PROBATION, &entry->other);

	if (reply)
		flow_confirm(&entry->other, reply);
	flow_confirm(&pkt->flow, entry);
}

/* A later packet of a flow in a table. An RST is not worth a new entry. */
static __always_inline enum loom_verdict
nat_continue(struct packet *pkt, const struct selection *sel,
	     struct loom_flow *key)
{
	struct loom_flow_entry *entry = sel->entry;
	struct loom_flow_entry *reply = sel->reply;

	select_touch(pkt, sel);
	if (nat_peer_moved(entry, pkt)) {
		nat_set_peer(entry, pkt);
		if (reply)
			nat_set_peer(reply, pkt);
	}
	if (reply)
		nat_end(reply, pkt);
	else if (!(pkt->tcp_flags & PACKET_TCP_RST) &&
		 nat_rebuild(sel->table, entry, pkt) == -EEXIST)
		return LOOM_DROP_NO_FLOW;
	*key = entry->other;
	if (sel->confirms)
		nat_confirm(pkt, entry);
	return LOOM_CONTINUE;
}
