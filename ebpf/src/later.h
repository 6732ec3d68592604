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
#include "ctx.h"
#include "cursor.h"
#include "finish.h"
#include "icmp.h"
#include "loom/verdict.h"
#include "packet.h"
#include "scratch.h"

/* Index into the programs' array. */
enum later {
	LATER_ICMP,
	LATER_ANSWER,

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

/* Reads the headers again: keeping what balance() knows would cost all packets,
 * and the verifier all its paths.
 */
static __always_inline bool later_parse(loom_ctx *ctx, struct scratch *scratch)
{
	struct cursor cur = cursor_init(ctx);
	struct packet pkt = {
		.ingress = ctx_ingress(ctx),
		.frame_len = packet_frame_len(ctx),
		.backend = scratch->backend,
	};

	if (packet_parse_l3(&cur, &pkt))
		return false;
	/* It has no L4 header for us if it is ICMP. */
	packet_parse_l4(&cur, &pkt);
	scratch->pkt = pkt;
	return true;
}

static __always_inline int later_icmp(loom_ctx *ctx)
{
	struct scratch *scratch = scratch_get();

	if (!scratch || !later_parse(ctx, scratch))
		return XDP_ABORTED;
	return finish(ctx, &scratch->pkt, icmp(ctx, scratch));
}

static __always_inline int later_answer(loom_ctx *ctx)
{
	struct scratch *scratch = scratch_get();

	if (!scratch || !later_parse(ctx, scratch))
		return XDP_ABORTED;
	return finish(ctx, &scratch->pkt,
		      answer(ctx, &scratch->pkt, scratch->verdict));
}
