/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What is not for the hot path, or perhaps to be answered: programs of their
 * own, reached by tail calls. So each has the stack and the verifier's budget
 * to itself, and the hot path is as small as if they were not there.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "answer.h"
#include "balance.h"
#include "ctx.h"
#include "cursor.h"
#include "finish.h"
#include "follow.h"
#include "fragment.h"
#include "icmp.h"
#include "loom/verdict.h"
#include "maps.h"
#include "packet.h"
#include "scratch.h"
#include "service.h"
#include "walk.h"

/* Index into the programs' array. */
enum later {
	LATER_ICMP,
	LATER_ANSWER,
	LATER_WALK,

	LATER_MAX,
	LATER_NEVER, /* the verdict is final */
};

static __always_inline enum later later_which(enum loom_verdict verdict)
{
	switch (verdict) {
	case LOOM_PASS_ICMP:
		return LATER_ICMP;
	case LOOM_DROP_TTL_EXCEEDED:
	case LOOM_DROP_TOO_BIG:
	case LOOM_DROP_NO_BACKEND:
	case LOOM_DROP_NO_FLOW:
		return LATER_ANSWER;
	case LOOM_DROP_FRAGMENT_UNKNOWN:
	case LOOM_PASS_EXTENSION_HEADER:
		return LATER_WALK;
	default:
		return LATER_NEVER;
	}
}

/* Does not return if the array has the program. */
static __always_inline void later_call(loom_ctx *ctx, void *programs,
				       const struct packet *pkt,
				       enum loom_verdict verdict)
{
	struct scratch *scratch = scratch_get();

	if (!scratch)
		return;
	scratch->verdict = verdict;
	scratch->backend = pkt->backend;
	bpf_tail_call(ctx, programs, later_which(verdict));
}

/* Reads the headers again, into scratch->pkt: keeping what balance() knows
 * would cost all packets, and the verifier all its paths. What is special about
 * the packet is what walk() says. A global function, for a stack of its own. 0:
 * the packet is none that balance() could have left for us.
 */
__noinline int later_parse(loom_ctx *ctx)
{
	struct scratch *scratch = scratch_get();
	struct cursor cur = cursor_init(ctx);

	if (!scratch)
		return 0;
	scratch->pkt = packet_from(ctx);
	scratch->pkt.backend = scratch->backend;
	scratch->pkt.may_be_partial =
		interface_may_be_partial(interface_lookup(ctx_ingress(ctx)));
	if (packet_parse_l3(&cur, &scratch->pkt))
		return 0;
	scratch->pkt.special = walk(ctx);
	return 1;
}

static __always_inline int later_icmp(loom_ctx *ctx)
{
	struct scratch *scratch = scratch_get();

	if (!scratch || !later_parse(ctx))
		return XDP_ABORTED;
	return finish(ctx, &scratch->pkt, icmp(ctx, scratch));
}

static __always_inline int later_answer(loom_ctx *ctx)
{
	struct scratch *scratch = scratch_get();
	enum loom_verdict verdict;

	if (!scratch || !later_parse(ctx))
		return XDP_ABORTED;
	verdict = answer(ctx, &scratch->pkt, scratch->verdict);
	if (verdict == LOOM_PASS_NO_BACKEND)
		fragment_remember(verdict);
	return finish(ctx, &scratch->pkt, verdict);
}

/* balance(), for what has something between IP header and ports, or none. */
static __always_inline enum loom_verdict later_balance(loom_ctx *ctx,
						       struct scratch *scratch)
{
	struct packet *pkt = &scratch->pkt;
	enum loom_verdict verdict = pkt->special;
	const struct loom_vip *vip;

	vip = bpf_map_lookup_elem(&loom_vips, &pkt->flow.dst);
	if (!vip)
		return LOOM_PASS_NOT_VIP;
	if (!verdict && scratch->fragment == FRAGMENT_LATER)
		verdict = follow(ctx);
	if (verdict == LOOM_DROP_FRAGMENT_UNKNOWN)
		return vip_unknown_fragment(vip);
	if (verdict || scratch->fragment == FRAGMENT_LATER)
		return verdict;
	verdict = balance_l4(ctx, pkt, vip);
	fragment_remember(verdict);
	return verdict;
}

/* Only of a first fragment can the sender tell by an answer what it was. */
static __always_inline enum later
later_which_next(const struct scratch *scratch, enum loom_verdict verdict)
{
	enum later later = later_which(verdict);

	if (later == LATER_WALK || scratch->fragment == FRAGMENT_LATER)
		return LATER_NEVER;
	return later;
}

static __always_inline int later_walk(loom_ctx *ctx, void *programs)
{
	struct scratch *scratch = scratch_get();
	enum loom_verdict verdict;

	if (!scratch || !later_parse(ctx))
		return XDP_ABORTED;
	verdict = later_balance(ctx, scratch);
	if (later_which_next(scratch, verdict) != LATER_NEVER) {
		later_call(ctx, programs, &scratch->pkt, verdict);
		verdict = LOOM_ABORT_NO_PROGRAM;
	}
	return finish(ctx, &scratch->pkt, verdict);
}
