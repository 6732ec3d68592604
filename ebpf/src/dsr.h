/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* To a backend with what has no flow entry of its own: errors about its packets
 * and later fragments of them. DSR: such a packet needs no rewriting.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ctx.h"
#include "encap.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "next_hop.h"
#include "packet.h"

static __always_inline enum loom_verdict
dsr_encap(loom_ctx *ctx, const struct packet *pkt,
	  const struct loom_backend *backend, const struct next_hop *hop)
{
	struct encap_outer outer;
	enum loom_verdict verdict;

	verdict = encap_prepare(ctx, pkt, backend, &outer);
	return verdict ? verdict : encap_forward(ctx, pkt, &outer, hop);
}

static __always_inline enum loom_verdict
dsr_send(loom_ctx *ctx, struct packet *pkt, const struct loom_backend *backend)
{
	enum loom_verdict verdict;
	struct next_hop hop;

	if (backend->flags & LOOM_BACKEND_F_LOCAL)
		return LOOM_PASS_LOCAL_BACKEND;
	if (backend->forwarding > LOOM_FORWARD_L2)
		return LOOM_ABORT_BACKEND_INVALID;
	if (pkt->ttl <= 1)
		return LOOM_DROP_TTL_EXCEEDED;
	verdict = next_hop_resolve(ctx, pkt, backend, &hop);
	if (verdict)
		return verdict;
	verdict = encap_check_mtu(pkt, backend);
	if (verdict)
		return verdict;
	verdict = backend->forwarding == LOOM_FORWARD_L2
			  ? encap_forward_l2(ctx, pkt, &hop)
			  : dsr_encap(ctx, pkt, backend, &hop);
	if (verdict)
		return verdict;
	pkt->egress = hop.ifindex;
	return next_hop_is_ingress(&hop, pkt) ? LOOM_FORWARD_TX
					      : LOOM_FORWARD_REDIRECT;
}
