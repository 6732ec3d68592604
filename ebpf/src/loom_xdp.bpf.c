// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* The XDP programs: the order of the stages, and the one way out. */
#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "answer.h"
#include "encap.h"
#include "icmp.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "nat.h"
#include "next_hop.h"
#include "packet.h"
#include "scratch.h"
#include "select.h"
#include "service.h"

static __always_inline enum loom_verdict forward(struct xdp_md *ctx,
						 struct packet *pkt,
						 const struct selection *sel,
						 const struct next_hop *hop)
{
	switch (sel->backend->forwarding) {
	case LOOM_FORWARD_NAT:
		return nat_forward(ctx, pkt, sel, hop);
	case LOOM_FORWARD_IPIP:
	case LOOM_FORWARD_GUE:
		select_remember(pkt, sel);
		return encap_forward(ctx, pkt, sel->backend, hop);
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
balance_flow(struct xdp_md *ctx, struct packet *pkt,
	     const struct loom_listener *listener)
{
	struct selection sel = {};
	enum loom_verdict verdict;
	struct next_hop hop;

	verdict = select_backend(listener, pkt, &sel);
	if (verdict)
		return verdict;
	/* A tunnel to ourselves would come back for ever. */
	if (sel.backend->flags & LOOM_BACKEND_F_LOCAL)
		return LOOM_PASS_LOCAL_BACKEND;
	if (pkt->ttl <= 1)
		return LOOM_DROP_TTL_EXCEEDED;
	verdict = next_hop_resolve(ctx, sel.backend, &hop);
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

/* For a VIP: whatever cannot be balanced may be dropped. */
static __always_inline enum loom_verdict balance_vip(struct xdp_md *ctx,
						     struct cursor *cur,
						     struct packet *pkt,
						     const struct loom_vip *vip)
{
	struct loom_listener listener;
	enum loom_verdict verdict;

	verdict = vip_check(vip, pkt);
	if (verdict)
		return verdict;
	verdict = packet_parse_l4(cur, pkt);
	if (verdict)
		return verdict;
	pkt->now = bpf_jiffies64();
	verdict = nat_reply(ctx, pkt, vip);
	if (verdict)
		return verdict;
	verdict = listener_find(vip, pkt, &listener);
	if (verdict)
		return verdict;
	return balance_flow(ctx, pkt, &listener);
}

/* Up to the VIP look-up the packet may be anybody's: only PASS. */
static __always_inline enum loom_verdict balance(struct xdp_md *ctx,
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
static __always_inline int finish(struct xdp_md *ctx, const struct packet *pkt,
				  enum loom_verdict verdict)
{
	int action = verdict_action(verdict);
	struct loom_counter *counter;

	if (action == XDP_REDIRECT) {
		action = bpf_redirect_map(&loom_egress, pkt->egress, 0);
		if (action != XDP_REDIRECT)
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

/* ---- the stages in functions of their own ------------------------------ */

/* Global functions, and arguments only numbers: so the verifier walks each of
 * them once, and none takes the stack of another.
 */

/* What a packet left to another function is for, and the backend chosen; no XDP
 * action looks like it.
 */
#define MAIN_LATER(verdict, backend) ((__u32)(backend) << 8 | (verdict))
#define MAIN_LATER_MIN               8u /* verdicts; actions are 0 to 4 */
#define MAIN_LATER_VERDICT(result)   ((result)&0xff)
#define MAIN_LATER_BACKEND(result)   ((result) >> 8)
_Static_assert(LOOM_VERDICT_MAX <= 0x100 && LOOM_PASS_ICMP >= MAIN_LATER_MIN,
	       "told from an action");

/* Not for the hot path, or perhaps to be answered. */
static __always_inline bool verdict_is_for_later(enum loom_verdict verdict)
{
	switch (verdict) {
	case LOOM_PASS_ICMP:
	case LOOM_DROP_TTL_EXCEEDED:
	case LOOM_DROP_TOO_BIG:
	case LOOM_DROP_NO_BACKEND:
	case LOOM_DROP_NO_FLOW:
		return true;
	default:
		return false;
	}
}

/* An XDP action, or MAIN_LATER() with the packet as it came. */
__noinline int main_balance(struct xdp_md *ctx)
{
	struct packet pkt = {
		.ingress = ctx->ingress_ifindex,
		.frame_len = packet_frame_len(ctx),
	};
	enum loom_verdict verdict = balance(ctx, &pkt);

	if (verdict_is_for_later(verdict))
		return MAIN_LATER(verdict, pkt.backend);
	return finish(ctx, &pkt, verdict);
}

/* Into scratch->pkt. Reads the headers again, because keeping what balance()
 * knows would cost all packets, and the verifier all its paths.
 */
__noinline int main_parse(struct xdp_md *ctx, __u32 backend)
{
	struct scratch *scratch = scratch_get();
	struct cursor cur = cursor_init(ctx);
	struct packet pkt = {
		.ingress = ctx->ingress_ifindex,
		.frame_len = packet_frame_len(ctx),
		.backend = backend,
	};

	if (!scratch || packet_parse_l3(&cur, &pkt))
		return 0;
	/* It has no L4 header for us if it is ICMP. */
	packet_parse_l4(&cur, &pkt);
	scratch->pkt = pkt;
	return 1;
}

__noinline int main_icmp(struct xdp_md *ctx)
{
	struct scratch *scratch = scratch_get();

	if (!scratch)
		return XDP_ABORTED;
	return finish(ctx, &scratch->pkt, icmp(ctx, scratch));
}

__noinline int main_answer(struct xdp_md *ctx, __u32 verdict)
{
	struct scratch *scratch = scratch_get();

	if (!scratch)
		return XDP_ABORTED;
	return finish(ctx, &scratch->pkt, answer(ctx, &scratch->pkt, verdict));
}

/* Not SEC("xdp.frags"): libbpf derives a load flag from that name and does not
 * let go of it where the kernel does not know it (before 5.18). The loader sets
 * BPF_F_XDP_HAS_FRAGS together with LOOM_FEATURE_FRAGS.
 */
SEC("xdp")
int loom_xdp(struct xdp_md *ctx)
{
	__u32 result = main_balance(ctx);
	__u32 verdict = MAIN_LATER_VERDICT(result);

	if (result < MAIN_LATER_MIN)
		return result;
	if (!main_parse(ctx, MAIN_LATER_BACKEND(result)))
		return XDP_ABORTED;
	return verdict == LOOM_PASS_ICMP ? main_icmp(ctx)
					 : main_answer(ctx, verdict);
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
