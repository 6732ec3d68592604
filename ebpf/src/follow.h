/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Later fragments: sent where the first one went, and as it was sent. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "addr.h"
#include "cursor.h"
#include "dsr.h"
#include "encap.h"
#include "fragment.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "nat.h"
#include "next_hop.h"
#include "packet.h"
#include "scratch.h"
#include "select.h"
#include "service.h"

/* With the first one's addresses. No checksum but that of the IP header covers
 * them in this packet.
 */
static __always_inline enum loom_verdict
follow_translated(loom_ctx *ctx, struct packet *pkt,
		  const struct loom_fragment *first, const struct next_hop *hop)
{
	const struct loom_flow to = {
		.src = first->src,
		.dst = first->dst,
	};
	const struct next_hop_frame frame = {
		.hop = hop,
		.ethertype = packet_ethertype(pkt),
	};
	enum loom_verdict verdict;
	struct cursor cur;

	if (addr_is_v4(&to.src) != pkt->is_v4 ||
	    addr_is_v4(&to.dst) != pkt->is_v4)
		return LOOM_ABORT_BACKEND_INVALID;
	verdict = next_hop_open(ctx, pkt, &frame, &cur);
	if (verdict)
		return verdict;
	if (!nat_rewrite_l3(&cur, pkt, &to))
		return LOOM_DROP_BAD_LENGTH;
	pkt->egress = hop->ifindex;
	return LOOM_CONTINUE;
}

/* Back to the client, as nat_send_reply(). */
static __always_inline enum loom_verdict
follow_reply(loom_ctx *ctx, struct packet *pkt,
	     const struct loom_fragment *first)
{
	struct next_hop hop = { .ifindex = first->peer_ifindex };
	const struct loom_interface *iface;
	enum loom_verdict verdict;

	if (pkt->ttl <= 1)
		return LOOM_DROP_TTL_EXCEEDED;
	iface = interface_lookup(hop.ifindex);
	if (!iface)
		return LOOM_ABORT_REDIRECT_FAILED;
	__builtin_memcpy(hop.dmac, first->peer_mac, ETH_ALEN);
	__builtin_memcpy(hop.smac, iface->mac, ETH_ALEN);
	verdict = follow_translated(ctx, pkt, first, &hop);
	if (verdict)
		return verdict;
	return next_hop_is_ingress(&hop, pkt) ? LOOM_REPLY_TX
					      : LOOM_REPLY_REDIRECT;
}

static __always_inline enum loom_verdict
follow_nat(loom_ctx *ctx, struct packet *pkt,
	   const struct loom_backend *backend,
	   const struct loom_fragment *first)
{
	enum loom_verdict verdict;
	struct next_hop hop;

	if (pkt->ttl <= 1)
		return LOOM_DROP_TTL_EXCEEDED;
	verdict = next_hop_resolve(ctx, pkt, backend, &hop);
	if (verdict)
		return verdict;
	verdict = encap_check_mtu(pkt, backend);
	if (verdict)
		return verdict;
	verdict = follow_translated(ctx, pkt, first, &hop);
	if (verdict)
		return verdict;
	return next_hop_is_ingress(&hop, pkt) ? LOOM_FORWARD_TX
					      : LOOM_FORWARD_REDIRECT;
}

/* An enum loom_verdict for the packet in scratch. A new generation is another
 * backend under the same id. One that is down gets the rest of what it got the
 * beginning of. A global function, for a stack of its own.
 */
__noinline int follow(loom_ctx *ctx)
{
	struct scratch *scratch = scratch_get();
	const struct loom_fragment *first;
	const struct loom_backend *backend;
	__u32 id;

	if (!scratch)
		return LOOM_DROP_FRAGMENT_UNKNOWN;
	first = fragment_find(scratch);
	if (!first)
		return LOOM_DROP_FRAGMENT_UNKNOWN;
	if (first->pass)
		return first->pass;
	id = first->backend;
	backend = bpf_map_lookup_elem(&loom_backends, &id);
	if (!backend || !backend->forwarding ||
	    backend->generation != first->generation)
		return LOOM_DROP_FRAGMENT_UNKNOWN;
	if (first->flags & LOOM_FRAGMENT_F_REPLY)
		return follow_reply(ctx, &scratch->pkt, first);
	scratch->pkt.backend = id;
	if (select_is_nat(backend))
		return follow_nat(ctx, &scratch->pkt, backend, first);
	return dsr_send(ctx, &scratch->pkt, backend);
}
