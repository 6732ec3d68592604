/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a finished frame leaves. Actions are named as in XDP for both programs.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "ctx.h"
#include "cursor.h"
#include "maps.h"
#include "packet.h"
#include "service.h"
#include "skb.h"

#ifdef LOOM_TC
static __always_inline long transmit_push(loom_ctx *ctx, __u32 tag)
{
	return tag ? bpf_skb_vlan_push(ctx, tag >> 16, tag & 0xffff) : 0;
}

/* Puts the tags back that next_hop_open() took off. An answer that was made in
 * place still has them.
 */
static __always_inline bool transmit_retag(loom_ctx *ctx,
					   const struct skb_state *skb)
{
	struct cursor cur = cursor_init(ctx);
	const struct ethhdr *eth = cursor_take(&cur, sizeof(*eth));

	if (!eth)
		return false;
	if (!skb->tags[0] || eth->h_proto == bpf_htons(ETH_P_8021Q) ||
	    eth->h_proto == bpf_htons(ETH_P_8021AD))
		return true;
	return !transmit_push(ctx, skb->tags[1]) &&
	       !transmit_push(ctx, skb->tags[0]) &&
	       !transmit_push(ctx, skb->outer);
}

/* A global function: the verifier walks it once. */
__noinline int transmit_skb(loom_ctx *ctx, __u32 egress)
{
	struct skb_state *skb = skb_get();

	if (!skb)
		return TC_ACT_SHOT;
	if (egress == ctx->ifindex) {
		if (!transmit_retag(ctx, skb))
			return TC_ACT_SHOT;
	} else if (!bpf_map_lookup_elem(&loom_egress, &egress)) {
		return TC_ACT_SHOT;
	}
	if (skb->via.nh_family) /* the kernel has to find out its MAC */
		return bpf_redirect_neigh(egress, &skb->via, sizeof(skb->via),
					  0);
	return bpf_redirect(egress, 0);
}

/* XDP_TX or XDP_REDIRECT; XDP_ABORTED if the frame cannot go there. */
static __always_inline int transmit(loom_ctx *ctx, const struct packet *pkt,
				    int action)
{
	__u32 egress = action == XDP_TX ? pkt->ingress : pkt->egress;

	return transmit_skb(ctx, egress) == TC_ACT_REDIRECT ? action
							    : XDP_ABORTED;
}

/* Is the packet for loom_tc? Beside loom_xdp only if that has marked it. */
static __always_inline bool transmit_is_mine(const loom_ctx *ctx)
{
	const struct loom_interface *iface = interface_lookup(ctx_ingress(ctx));
	const struct loom_mark *mark = (void *)(long)ctx->data_meta;

	if (!iface || !(iface->flags & LOOM_INTERFACE_F_XDP))
		return true;
	if ((void *)(mark + 1) > (void *)(long)ctx->data)
		return false;
	return mark->magic == LOOM_MARK_MAGIC && mark->ifindex == ctx->ifindex;
}

static __always_inline bool transmit_hand_up(loom_ctx *ctx
					     __attribute__((unused)),
					     enum loom_verdict verdict
					     __attribute__((unused)))
{
	return false;
}

/* Filters behind this one see what it lets through. */
static __always_inline int transmit_tc_action(int action)
{
	switch (action) {
	case XDP_PASS:
		return TC_ACT_UNSPEC;
	case XDP_TX:
	case XDP_REDIRECT:
		return TC_ACT_REDIRECT;
	default:
		return TC_ACT_SHOT;
	}
}
#else
static __always_inline int transmit(loom_ctx *ctx __attribute__((unused)),
				    const struct packet *pkt, int action)
{
	return action == XDP_TX
		       ? action
		       : (int)bpf_redirect_map(&loom_egress, pkt->egress, 0);
}

/* True: the packet was left to loom_tc, which counts it. */
static __always_inline bool transmit_hand_up(loom_ctx *ctx,
					     enum loom_verdict verdict)
{
	__u32 ingress = ctx_ingress(ctx);
	const struct loom_interface *iface;
	struct loom_mark *mark;

	if (verdict != LOOM_PASS_HANDED_UP && verdict != LOOM_DROP_NO_NEXT_HOP)
		return false;
	iface = interface_lookup(ingress);
	if (!iface || !(iface->flags & LOOM_INTERFACE_F_TC) ||
	    bpf_xdp_adjust_meta(ctx, -(int)sizeof(*mark)))
		return false;
	mark = (void *)(long)ctx->data_meta;
	if ((void *)(mark + 1) > (void *)(long)ctx->data)
		return false;
	*mark = (struct loom_mark){ LOOM_MARK_MAGIC, ingress };
	return true;
}
#endif
