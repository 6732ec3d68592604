// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The XDP programs. */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "balance.h"
#include "ctx.h"
#include "finish.h"
#include "later.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "packet.h"

/* Not SEC("xdp.frags"): libbpf derives a load flag from that name and does not
 * let go of it where the kernel does not know it (before 5.18). The loader sets
 * BPF_F_XDP_HAS_FRAGS together with LOOM_FEATURE_FRAGS.
 */
SEC("xdp")
int loom_xdp_icmp(struct xdp_md *ctx)
{
	return later_icmp(ctx);
}

SEC("xdp")
int loom_xdp_answer(struct xdp_md *ctx)
{
	return later_answer(ctx);
}

int loom_xdp_walk(struct xdp_md *ctx);

/* Made anew with every load: the programs of one load call only each other. The
 * kernel empties it when its last descriptor and pin are gone.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PROG_ARRAY);
	__uint(max_entries, LATER_MAX);
	__uint(key_size, sizeof(__u32));
	__array(values, int(struct xdp_md *));
} loom_xdp_later SEC(".maps") = {
	.values = {
		[LATER_ICMP] = &loom_xdp_icmp,
		[LATER_ANSWER] = &loom_xdp_answer,
		[LATER_WALK] = &loom_xdp_walk,
	},
};

SEC("xdp")
int loom_xdp_walk(struct xdp_md *ctx)
{
	return later_walk(ctx, &loom_xdp_later);
}

SEC("xdp")
int loom_xdp(struct xdp_md *ctx)
{
	struct packet pkt = packet_from(ctx);
	enum loom_verdict verdict = balance(ctx, &pkt);

	if (later_which(verdict) != LATER_NEVER) {
		later_call(ctx, &loom_xdp_later, &pkt, verdict);
		verdict = LOOM_ABORT_NO_PROGRAM;
	}
	return finish(ctx, &pkt, verdict);
}

/* Run by the daemon through BPF_PROG_TEST_RUN, never attached: jiffies cannot
 * be read from user space.
 */
SEC("xdp")
int loom_clock(struct xdp_md *ctx __attribute__((unused)))
{
	__u32 zero = 0;
	struct loom_clock *clock =
		bpf_map_lookup_elem(&loom_clock_value, &zero);

	if (clock) {
		clock->jiffies = bpf_jiffies64();
		clock->ktime_ns = bpf_ktime_get_ns();
	}
	return XDP_PASS;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
