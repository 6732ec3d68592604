/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What loom_tc knows of a packet beside struct packet. In a map: the verifier
 * walks what follows once for each thing that the stack may hold, and all of
 * this is needed at the very end.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ctx.h"
#include "cursor.h"

#ifdef LOOM_TC
#define SKB_MAX_TAGS 2 /* in the frame */

/* A tag is its TPID (as in the packet) and TCI as one number; 0: none. */
struct skb_state {
	struct bpf_redir_neigh via; /* nh_family 0: the MAC is known */
	__u32 outer;                /* tag in the metadata */
	__u32 tags[SKB_MAX_TAGS];   /* outermost first */
	__u32 gso_size;  /* payload of each segment; 0: not a GSO packet */
	__u32 l4_header; /* bytes, of TCP or UDP */
};

/* Datapath writes; nothing of it outlives one packet. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct skb_state);
} loom_tc_skb SEC(".maps");

static __always_inline struct skb_state *skb_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&loom_tc_skb, &zero);
}

/* The tag that follows, if ethertype says that one does. */
static __always_inline __u32 skb_take_tag(struct cursor *cur, __be16 *ethertype)
{
	const struct {
		__be16 tci;
		__be16 ethertype;
	} * tag;
	__u32 tpid = *ethertype;

	if (tpid != bpf_htons(ETH_P_8021Q) && tpid != bpf_htons(ETH_P_8021AD))
		return 0;
	tag = cursor_take(cur, sizeof(*tag));
	if (!tag)
		return 0;
	*ethertype = tag->ethertype;
	return tpid << 16 | bpf_ntohs(tag->tci);
}

/* All that follows are global functions: the verifier walks them once, and what
 * they answer is any number.
 */

/* Before anything else is done with the packet. */
__noinline int skb_begin(loom_ctx *ctx)
{
	struct cursor cur = cursor_init(ctx);
	const struct ethhdr *eth = cursor_take(&cur, sizeof(*eth));
	struct skb_state *skb = skb_get();
	__be16 ethertype;

	if (!skb)
		return 0;
	*skb = (struct skb_state){ .gso_size = ctx->gso_size };
	if (ctx->vlan_present)
		skb->outer = ctx->vlan_proto << 16 | ctx->vlan_tci;
	if (!eth)
		return 0;
	ethertype = eth->h_proto;
	skb->tags[0] = skb_take_tag(&cur, &ethertype);
	skb->tags[1] = skb_take_tag(&cur, &ethertype);
	return 0;
}

__noinline int skb_set_l4_header(__u32 len)
{
	struct skb_state *skb = skb_get();

	if (skb)
		skb->l4_header = len;
	return 0;
}

__noinline int skb_tag_count(void)
{
	const struct skb_state *skb = skb_get();

	return skb ? !!skb->outer + !!skb->tags[0] + !!skb->tags[1] : 0;
}

__noinline int skb_gso_size(void)
{
	const struct skb_state *skb = skb_get();

	return skb ? skb->gso_size : 0;
}

__noinline int skb_l4_header(void)
{
	const struct skb_state *skb = skb_get();

	return skb ? skb->l4_header : 0;
}
#else
static __always_inline void skb_begin(loom_ctx *ctx __attribute__((unused)))
{
}

static __always_inline void skb_set_l4_header(__u32 len __attribute__((unused)))
{
}
#endif
