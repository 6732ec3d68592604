// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The TC programs: the stages of the XDP programs over an skb. */
#define LOOM_TC

#include <linux/bpf.h>
#include <linux/pkt_cls.h>
#include <bpf/bpf_helpers.h>

#include "balance.h"
#include "ctx.h"
#include "finish.h"
#include "later.h"
#include "loom/verdict.h"
#include "packet.h"
#include "transmit.h"

/* Every header the stages read: Ethernet with two tags, IPv6 and its extension
 * headers, L4.
 */
#define TC_HEADERS_MAX 256

/* What an answer quotes, or an error that is to be translated. */
#define TC_LATER_MAX 2048

SEC("tc")
int loom_tc_icmp(struct __sk_buff *ctx)
{
	ctx_pull(ctx, TC_LATER_MAX);
	return transmit_tc_action(later_icmp(ctx));
}

SEC("tc")
int loom_tc_answer(struct __sk_buff *ctx)
{
	ctx_pull(ctx, TC_LATER_MAX);
	return transmit_tc_action(later_answer(ctx));
}

int loom_tc_walk(struct __sk_buff *ctx);

/* As loom_xdp_later. */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, LATER_MAX);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct __sk_buff *));
} loom_tc_later SEC(".maps") = {
	.values = {
		[LATER_ICMP] = &loom_tc_icmp,
		[LATER_ANSWER] = &loom_tc_answer,
		[LATER_WALK] = &loom_tc_walk,
	},
};

SEC("tc")
int loom_tc_walk(struct __sk_buff *ctx)
{
	ctx_pull(ctx, TC_LATER_MAX);
	return transmit_tc_action(later_walk(ctx, &loom_tc_later));
}

SEC("tc")
int loom_tc(struct __sk_buff *ctx)
{
	enum loom_verdict verdict;
	struct packet pkt;

	if (!transmit_is_mine(ctx))
		return TC_ACT_UNSPEC;
	ctx_pull(ctx, TC_HEADERS_MAX);
	pkt = packet_from(ctx);
	verdict = balance(ctx, &pkt);
	if (later_which(verdict) != LATER_NEVER) {
		later_call(ctx, &loom_tc_later, &pkt, verdict);
		verdict = LOOM_ABORT_NO_PROGRAM;
	}
	return transmit_tc_action(finish(ctx, &pkt, verdict));
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
