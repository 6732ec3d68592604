// SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause
/* Ends the tunnel on a DSR backend: one decision, in XDP and in TC. */
#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/pkt_cls.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "cursor.h"
#include "decap_inner.h"
#include "decap_maps.h"
#include "decap_outer.h"
#include "loom/decap.h"

#define TC_HEADERS_MAX 256u /* made linear before TC looks for headers */

static __always_inline enum loom_decap_verdict decide(struct tunnel *t)
{
	enum loom_decap_verdict verdict;

	verdict = outer_parse(t);
	if (verdict)
		return verdict;

	verdict = tunnel_find(t);
	if (verdict)
		return verdict;

	verdict = outer_check(t);
	if (verdict)
		return verdict;

	return inner_check(t);
}

/* The Ethernet header as it was received, VLAN tags included, but for the type
 * of what follows.
 */
static __always_inline bool l2_write(struct cursor *cur, const struct tunnel *t)
{
	void *macs = cursor_take(cur, sizeof(t->macs));
	struct vlan_tag *tag;
	__be16 *type;

	if (!macs)
		return false;
	__builtin_memcpy(macs, t->macs, sizeof(t->macs));

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < VLAN_TAGS_MAX; i++) {
		if (i >= t->tags)
			break;
		tag = cursor_take(cur, sizeof(*tag));
		if (!tag)
			return false;
		*tag = t->tag[i];
	}

	type = cursor_take(cur, sizeof(*type));
	if (!type)
		return false;
	*type = t->inner_type;
	return true;
}

static __always_inline enum loom_decap_verdict xdp_strip(struct xdp_md *ctx,
							 struct tunnel *t)
{
	struct iphdr *ip;

	if (bpf_xdp_adjust_head(ctx, t->outer_len))
		return LOOM_DECAP_ABORT_ADJUST;

	t->cur = cursor_init(ctx);
	if (!l2_write(&t->cur, t))
		return LOOM_DECAP_ABORT_ADJUST;
	if (!t->marked)
		return LOOM_DECAP_DECAPSULATED;

	ip = cursor_take(&t->cur, sizeof(*ip));
	if (!ip)
		return LOOM_DECAP_ABORT_ADJUST;
	*(__be16 *)ip = t->inner_first;
	if (t->inner_type == bpf_htons(ETH_P_IP))
		ip->check = t->inner_check;
	return LOOM_DECAP_DECAPSULATED;
}

/* By helper and not by pointer: a checksum the card computed over the whole
 * packet has to follow.
 */
static __always_inline bool tc_mark(struct __sk_buff *skb,
				    const struct tunnel *t)
{
	if (!t->marked)
		return true;
	if (bpf_skb_store_bytes(skb, ETH_HLEN, &t->inner_first,
				sizeof(t->inner_first), BPF_F_RECOMPUTE_CSUM))
		return false;
	return t->inner_type != bpf_htons(ETH_P_IP) ||
	       !bpf_skb_store_bytes(skb,
				    ETH_HLEN + offsetof(struct iphdr, check),
				    &t->inner_check, sizeof(t->inner_check),
				    BPF_F_RECOMPUTE_CSUM);
}

static __always_inline enum loom_decap_verdict tc_strip(struct __sk_buff *skb,
							const struct tunnel *t)
{
	const int growth = sizeof(struct ipv6hdr) - sizeof(struct iphdr);
	int len = t->outer_len;

	/* Across families skb->protocol must change, and before the cut: the
	 * shortest packet that may be left depends on it. The helper swaps the
	 * IP header for a blank one of the other family, which goes as well.
	 */
	if (t->inner_type != t->outer_type) {
		if (bpf_skb_change_proto(skb, t->inner_type, 0))
			return LOOM_DECAP_ABORT_ADJUST;
		len += t->inner_type == bpf_htons(ETH_P_IPV6) ? growth
							      : -growth;
	}
	/* Segments of a GSO packet stay as long as the sender made them. */
	if (bpf_skb_adjust_room(skb, -len, BPF_ADJ_ROOM_MAC,
				BPF_F_ADJ_ROOM_FIXED_GSO))
		return LOOM_DECAP_ABORT_ADJUST;
	if (bpf_skb_store_bytes(skb, offsetof(struct ethhdr, h_proto),
				&t->inner_type, sizeof(t->inner_type), 0))
		return LOOM_DECAP_ABORT_ADJUST;
	return tc_mark(skb, t) ? LOOM_DECAP_DECAPSULATED
			       : LOOM_DECAP_ABORT_ADJUST;
}

static __always_inline void count(enum loom_decap_verdict verdict, __u64 bytes)
{
	__u32 key = verdict;
	struct loom_decap_counter *counter =
		bpf_map_lookup_elem(&loom_decap_verdicts, &key);

	if (counter) {
		counter->packets++;
		counter->bytes += bytes;
	}
}

/* The only place where a verdict becomes an action. */
static __always_inline int action(enum loom_decap_verdict verdict)
{
	/* clang-format off */
	switch (verdict) {
#define V(name, action, help) case LOOM_DECAP_##name: return XDP_##action;
	LOOM_DECAP_VERDICT_LIST(V)
#undef V
	default: return XDP_ABORTED;
	}
	/* clang-format on */
}

/* Not SEC("xdp.frags"): libbpf derives a load flag from that name, and kernels
 * before 5.18 refuse it. User space sets the flag where it is known.
 */
SEC("xdp")
int loom_decap_xdp(struct xdp_md *ctx)
{
	struct tunnel t = { .cur = cursor_init(ctx),
			    .tags_max = VLAN_TAGS_MAX };
	enum loom_decap_verdict verdict;
	__u32 frame_len;

	frame_len = loom_decap_settings.flags & LOOM_DECAP_F_FRAGS
			    ? bpf_xdp_get_buff_len(ctx)
			    : ctx->data_end - ctx->data;
	t.frame_len = frame_len;

	verdict = decide(&t);
	if (!verdict)
		verdict = xdp_strip(ctx, &t);
	count(verdict, frame_len);
	return action(verdict);
}

SEC("tc")
int loom_decap_tc(struct __sk_buff *skb)
{
	/* The kernel has put an outermost VLAN tag aside, where it stays. A
	 * second one is the packet's protocol, with which no helper can work.
	 */
	struct tunnel t = { .tags_max = 0, .frame_len = skb->len };
	enum loom_decap_verdict verdict;
	__u32 want = skb->len;

	if (want > TC_HEADERS_MAX)
		want = TC_HEADERS_MAX;
	if (skb->data + want > skb->data_end)
		bpf_skb_pull_data(skb, want);
	t.cur.pos = (void *)(long)skb->data;
	t.cur.end = (void *)(long)skb->data_end;

	verdict = decide(&t);
	if (!verdict)
		verdict = tc_strip(skb, &t);
	count(verdict, t.frame_len);
	/* Filters behind this one see what it let through. */
	return action(verdict) == XDP_PASS ? TC_ACT_UNSPEC : TC_ACT_SHOT;
}

char LICENSE[] SEC("license") = "Dual BSD/GPL";
