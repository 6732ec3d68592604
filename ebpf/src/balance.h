/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The order of the stages. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ctx.h"
#include "cursor.h"
#include "encap.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "nat.h"
#include "next_hop.h"
#include "packet.h"
#include "select.h"
#include "service.h"

static __always_inline enum loom_verdict
forward_encap(loom_ctx *ctx, struct packet *pkt, const struct selection *sel,
	      const struct next_hop *hop)
{
	struct encap_outer outer;
	enum loom_verdict verdict;

	verdict = encap_prepare(ctx, pkt, sel->backend, &outer);
	if (verdict)
		return verdict;
	select_remember(pkt, sel);
	return encap_forward(ctx, pkt, &outer, hop);
}

static __always_inline enum loom_verdict forward(loom_ctx *ctx,
						 struct packet *pkt,
						 const struct selection *sel,
						 const struct next_hop *hop)
{
	switch (sel->backend->forwarding) {
	case LOOM_FORWARD_NAT:
		return nat_forward(ctx, pkt, sel, hop);
	case LOOM_FORWARD_IPIP:
	case LOOM_FORWARD_GUE:
		return forward_encap(ctx, pkt, sel, hop);
	case LOOM_FORWARD_L2:
		select_remember(pkt, sel);
		return encap_forward_l2(ctx, pkt, hop);
	default:
		return LOOM_ABORT_BACKEND_INVALID;
	}
}

/* For a service: choose, address, send. Flows are remembered only once nothing
 * but the frame's headroom can still stop the packet.
 */
static __always_inline enum loom_verdict
balance_flow(loom_ctx *ctx, struct packet *pkt,
	     const struct loom_listener *listener)
{
	struct selection sel = {};
	enum loom_verdict verdict;
	struct next_hop hop;

	verdict = select_backend(listener, pkt, &sel);
	if (verdict)
		return verdict;
	/* A tunnel to ourselves would come back for ever. */
	if (sel.backend->flags & LOOM_BACKEND_F_LOCAL) {
		select_remember(pkt, &sel);
		return LOOM_PASS_LOCAL_BACKEND;
	}
	if (pkt->ttl <= 1)
		return LOOM_DROP_TTL_EXCEEDED;
	verdict = next_hop_resolve(ctx, pkt, sel.backend, &hop);
	if (verdict)
		return verdict;
	verdict = encap_check_mtu(pkt, sel.backend);
	if (verdict)
		return verdict;
	verdict = forward(ctx, pkt, &sel, &hop);
	if (verdict)
		return verdict;
	pkt->egress = hop.ifindex;
	return next_hop_is_ingress(&hop, pkt) ? LOOM_FORWARD_TX
					      : LOOM_FORWARD_REDIRECT;
}

/* For a VIP, with its ports known. */
static __always_inline enum loom_verdict
balance_l4(loom_ctx *ctx, struct packet *pkt, const struct loom_vip *vip)
{
	struct loom_listener listener;
	enum loom_verdict verdict;

	pkt->now = bpf_jiffies64();
	verdict = nat_reply(ctx, pkt, vip);
	if (verdict)
		return verdict;
	verdict = listener_find(vip, pkt, &listener);
	if (verdict)
		return verdict;
	return balance_flow(ctx, pkt, &listener);
}

/* For a VIP: whatever cannot be balanced may be dropped. */
static __always_inline enum loom_verdict balance_vip(loom_ctx *ctx,
						     struct cursor *cur,
						     struct packet *pkt,
						     const struct loom_vip *vip)
{
	enum loom_verdict verdict;

	verdict = packet_check(pkt);
	if (verdict)
		return verdict;
	verdict = packet_parse_l4(cur, pkt, true);
	if (verdict)
		return verdict;
	return balance_l4(ctx, pkt, vip);
}

/* Up to the VIP look-up the packet may be anybody's: only PASS. */
static __always_inline enum loom_verdict balance(loom_ctx *ctx,
						 struct packet *pkt)
{
	struct cursor cur = cursor_init(ctx);
	const struct loom_vip *vip;
	enum loom_verdict verdict;

	verdict = packet_parse_l3(&cur, pkt);
	if (verdict)
		return verdict;
	verdict = interface_check(ctx, pkt);
	if (verdict)
		return verdict;
	vip = bpf_map_lookup_elem(&loom_vips, &pkt->flow.dst);
	if (!vip)
		return LOOM_PASS_NOT_VIP;

	return balance_vip(ctx, &cur, pkt, vip);
}
