/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The one way out. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "ctx.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "packet.h"
#include "transmit.h"

static __always_inline int verdict_action(enum loom_verdict verdict)
{
	/* clang-format off */
	switch (verdict) {
#define V(name, action, help) case LOOM_##name: return XDP_##action;
	LOOM_VERDICT_LIST(V)
#undef V
	default: return XDP_ABORTED;
	}
	/* clang-format on */
}

/* What was forwarded is counted for its backend, all else for its verdict. */
static __always_inline struct loom_counter *
verdict_counter(enum loom_verdict verdict, const struct packet *pkt)
{
	__u32 backend = pkt->backend;
	__u32 key = verdict;

	if (verdict == LOOM_FORWARD_TX || verdict == LOOM_FORWARD_REDIRECT)
		return bpf_map_lookup_elem(&loom_backend_counters, &backend);
	return bpf_map_lookup_elem(&loom_verdicts, &key);
}

/* The only place where a verdict becomes an action and a count. */
static __always_inline int finish(loom_ctx *ctx, const struct packet *pkt,
				  enum loom_verdict verdict)
{
	int action = verdict_action(verdict);
	struct loom_counter *counter;

	if (transmit_hand_up(ctx, verdict))
		return XDP_PASS;
	if (action == XDP_TX || action == XDP_REDIRECT) {
		action = transmit(ctx, pkt, action);
		if (action == XDP_ABORTED)
			verdict = LOOM_ABORT_REDIRECT_FAILED;
	}

	counter = verdict_counter(verdict, pkt);
	if (!counter)
		return action;
	counter->packets++;
	counter->rx_bytes += pkt->frame_len;
	if (action == XDP_TX || action == XDP_REDIRECT) {
		counter->tx_bytes += packet_frame_len(ctx);
		counter->flows += pkt->new_flow;
	}
	return action;
}
