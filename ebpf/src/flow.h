/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow tables: hash, states, expiry, and how an entry is stored. */
#pragma once

#include <linux/bpf.h>
#include <linux/errno.h>
#include <linux/in.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "loom/abi.h"
#include "loom/hash.h"
#include "loom/verdict.h"
#include "maps.h"
#include "packet.h"

/* A new flow is on probation until its second packet; until then it cannot
 * evict one that is confirmed.
 */
enum flow_table {
	FLOW_CONFIRMED, /* loom_flows */
	FLOW_PROBATION, /* loom_probation */
};

/* 32 bits of a flow, all of them good: its ring slot is taken from the top, its
 * GUE source port from the bottom.
 *
 * A contract between balancers: those behind the same VIP must send a flow to
 * the same backend, whatever their version. Over the 40 bytes of struct
 * loom_flow as five little-endian 64-bit words:
 *
 *	h = 0x9e3779b97f4a7c15
 *	for each word w:  h = (h ^ w) * 0xbf58476d1ce4e5b9;  h ^= h >> 32
 *	h = (h ^ h >> 29) * 0x94d049bb133111eb
 *	result = h >> 32
 *
 * (constants of splitmix64), in loom/hash.h.
 */
static __always_inline __u32 flow_hash(const struct loom_flow *flow)
{
	__u64 word[sizeof(*flow) / 8];

	__builtin_memcpy(word, flow, sizeof(word));
	return loom_hash_words(word, sizeof(word) / 8);
}

/* The same over the 16 bytes of the source address, for services whose clients
 * keep their backend.
 */
static __always_inline __u32 flow_hash_source(const struct loom_flow *flow)
{
	__u64 word[sizeof(flow->src) / 8];

	__builtin_memcpy(word, &flow->src, sizeof(word));
	return loom_hash_words(word, sizeof(word) / 8);
}

static __always_inline bool flow_equal(const struct loom_flow *a,
				       const struct loom_flow *b)
{
	__u64 x[sizeof(*a) / 8], y[sizeof(*b) / 8], diff = 0;

	__builtin_memcpy(x, a, sizeof(x));
	__builtin_memcpy(y, b, sizeof(y));
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < sizeof(*a) / 8; i++)
		diff |= x[i] ^ y[i];
	return !diff;
}

static __always_inline struct loom_flow
flow_reverse(const struct loom_flow *flow)
{
	return (struct loom_flow){
		.src = flow->dst,
		.dst = flow->src,
		.sport = flow->dport,
		.dport = flow->sport,
		.proto = flow->proto,
	};
}

/* Its own timeout has not run out. Signed: another CPU may have seen a packet a
 * tick after we read the clock.
 */
static __always_inline bool flow_is_fresh(const struct loom_flow_entry *entry,
					  __u64 now)
{
	__u32 state = entry->state & (LOOM_STATE_MAX);

	return (__s64)(now - entry->seen) <= (__s64)loom_config.timeout[state];
}

/* The state after this packet. The other side's packets are seen in NAT only,
 * and there each direction has its own entry: with DSR a handshake is complete
 * when the client behaves as if it were, and a close when it acknowledges
 * something after its FIN. A handshake that is reset keeps its short timeout.
 */
static __always_inline __u8 flow_next_state(__u8 state,
					    const struct packet *pkt)
{
	bool opening =
		state == LOOM_STATE_SYN_SENT || state == LOOM_STATE_SYN_RECV;
	__u8 flags = pkt->tcp_flags;

	if (pkt->flow.proto != IPPROTO_TCP)
		return LOOM_STATE_UDP;
	if (flags & PACKET_TCP_RST)
		return opening ? state : LOOM_STATE_TIME_WAIT;
	if (state == LOOM_STATE_TIME_WAIT)
		return state;
	if (flags & PACKET_TCP_FIN)
		return LOOM_STATE_FIN_WAIT;
	if (state == LOOM_STATE_FIN_WAIT)
		return flags & PACKET_TCP_ACK ? LOOM_STATE_TIME_WAIT : state;
	if (state == LOOM_STATE_ESTABLISHED)
		return state;
	if (flags & PACKET_TCP_SYN)
		return flags & PACKET_TCP_ACK ? LOOM_STATE_SYN_RECV
					      : LOOM_STATE_SYN_SENT;
	return LOOM_STATE_ESTABLISHED;
}

/* Not atomic: the packets of one flow arrive on one receive queue. */
static __always_inline void flow_account(struct loom_flow_entry *entry,
					 const struct packet *pkt)
{
	entry->seen = pkt->now;
	entry->packets++;
	entry->bytes += pkt->frame_len;
}

/* Accounts this packet to its own direction's entry. */
static __always_inline void flow_touch(struct loom_flow_entry *entry,
				       const struct packet *pkt)
{
	entry->state = flow_next_state(entry->state, pkt);
	flow_account(entry, pkt);
}

/* One look-up for each table: where the map is not known before, the verifier
 * does not inline it.
 */
static __always_inline struct loom_flow_entry *
flow_find(enum flow_table table, const struct loom_flow *key)
{
	if (table == FLOW_PROBATION)
		return bpf_map_lookup_elem(&loom_probation, key);
	return bpf_map_lookup_elem(&loom_flows, key);
}

/* A full or busy table is counted; the caller decides what it means. An int,
 * and not the helper's long: before 6.4 the call ends in a function that
 * returns an int, whose sign does not reach the upper half.
 */
static __always_inline int flow_store(enum flow_table table,
				      const struct loom_flow *key,
				      const struct loom_flow_entry *entry,
				      __u64 flags)
{
	int err;

	if (table == FLOW_PROBATION)
		err = bpf_map_update_elem(&loom_probation, key, entry, flags);
	else
		err = bpf_map_update_elem(&loom_flows, key, entry, flags);
	error_count_update(err);
	return err;
}

/* Ends the probation of an entry, replacing an older one of that name. The flow
 * is never in neither table, and stays where it is if it cannot be moved.
 */
static __always_inline void flow_confirm(const struct loom_flow *key,
					 const struct loom_flow_entry *entry)
{
	if (!flow_store(FLOW_CONFIRMED, key, entry, BPF_ANY))
		bpf_map_delete_elem(&loom_probation, key);
}

/* This CPU's only one: it is gone with the next call. */
static __always_inline struct loom_flow_entry *flow_draft(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&loom_draft, &zero);
}

/* An entry for the first packet of a flow; the backend's id and generation and,
 * for NAT, the rest are the caller's.
 */
static __always_inline struct loom_flow_entry *
flow_draft_first(const struct packet *pkt)
{
	struct loom_flow_entry *entry = flow_draft();

	if (!entry)
		return NULL;
	*entry = (struct loom_flow_entry){
		.created = pkt->now,
		.seen = pkt->now,
		.packets = 1,
		.bytes = pkt->frame_len,
		.state = packet_is_open(pkt)
				 ? LOOM_STATE_SYN_SENT
				 : flow_next_state(LOOM_STATE_NONE, pkt),
		.syn_seq = packet_is_open(pkt) ? pkt->tcp_seq : 0,
	};
	return entry;
}
