/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Fragments: what the first, which alone has ports, leaves behind for those
 * that follow it.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "flow.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "packet.h"
#include "scratch.h"

/* The entry by which NAT has just translated this packet. */
static __always_inline const struct loom_flow_entry *
fragment_find_flow(enum flow_table table, const struct packet *pkt)
{
	const struct loom_flow_entry *entry = flow_find(table, &pkt->flow);
	bool is_reply;

	if (!entry || !entry->other.proto)
		return NULL;
	is_reply = entry->flags & LOOM_FLOW_F_REPLY;
	return is_reply == !pkt->backend &&
			       (is_reply || entry->backend == pkt->backend)
		       ? entry
		       : NULL;
}

/* False: the flow is in no table, so its other fragments are nobody's. */
static __always_inline bool fragment_copy_flow(const struct packet *pkt,
					       struct loom_fragment *first)
{
	const struct loom_flow_entry *entry;

	entry = fragment_find_flow(FLOW_CONFIRMED, pkt);
	if (!entry)
		entry = fragment_find_flow(FLOW_PROBATION, pkt);
	if (!entry)
		return false;
	first->src = entry->other.dst;
	first->dst = entry->other.src;
	first->backend = entry->backend;
	first->generation = entry->generation;
	first->peer_ifindex = entry->peer_ifindex;
	__builtin_memcpy(first->peer_mac, entry->peer_mac, ETH_ALEN);
	first->flags = pkt->backend ? 0 : LOOM_FRAGMENT_F_REPLY;
	return true;
}

static __always_inline bool fragment_copy_backend(const struct packet *pkt,
						  struct loom_fragment *first)
{
	const struct loom_backend *backend;
	__u32 id = pkt->backend;

	backend = bpf_map_lookup_elem(&loom_backends, &id);
	if (!backend)
		return false;
	if (backend->forwarding == LOOM_FORWARD_NAT)
		return fragment_copy_flow(pkt, first);
	first->backend = id;
	first->generation = backend->generation;
	return true;
}

/* False: the verdict says nothing about the fragments that follow. */
static __always_inline bool fragment_describe(struct scratch *scratch,
					      __u32 verdict)
{
	struct loom_fragment *first = &scratch->first;

	__builtin_memset(first, 0, sizeof(*first));
	first->seen = bpf_jiffies64();
	switch (verdict) {
	case LOOM_FORWARD_TX:
	case LOOM_FORWARD_REDIRECT:
		return fragment_copy_backend(&scratch->pkt, first);
	case LOOM_REPLY_TX:
	case LOOM_REPLY_REDIRECT:
		return fragment_copy_flow(&scratch->pkt, first);
	case LOOM_PASS_PASSTHROUGH:
	case LOOM_PASS_LOCAL_BACKEND:
	case LOOM_PASS_CONNECTION_LIMIT:
	case LOOM_PASS_NO_BACKEND:
		first->pass = verdict;
		return true;
	default:
		return false;
	}
}

/* The packet in scratch has come to this verdict. A failure costs its other
 * fragments, not more: they are unknown. A global function: the verifier walks
 * it once, and not once for every way a packet is sent.
 */
__noinline int fragment_remember(__u32 verdict)
{
	struct scratch *scratch = scratch_get();
	int err;

	if (!scratch || scratch->fragment != FRAGMENT_FIRST ||
	    !fragment_describe(scratch, verdict))
		return 0;
	err = bpf_map_update_elem(&loom_fragments, &scratch->fragment_key,
				  &scratch->first, BPF_ANY);
	error_count_update(err);
	return err;
}

/* What the first fragment left; NULL: not seen, or too long ago. Signed: as in
 * flow_is_fresh().
 */
static __always_inline const struct loom_fragment *
fragment_find(const struct scratch *scratch)
{
	const struct loom_fragment *first;
	__u64 now = bpf_jiffies64();

	first = bpf_map_lookup_elem(&loom_fragments, &scratch->fragment_key);
	if (!first ||
	    (__s64)(now - first->seen) > (__s64)loom_config.fragment_timeout)
		return NULL;
	return first;
}
