/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* May this tunnel packet to us come in? From here on everything that is not
 * accepted is dropped: a tunnel end without a filter is an open relay
 * (CVE-2020-10136, CVE-2024-7596).
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "addr.h"
#include "csum.h"
#include "cursor.h"
#include "decap_maps.h"
#include "decap_outer.h"
#include "loom/decap.h"

#define INNER_EXT_MAX 3 /* extension headers read in an inner packet */

#define ECN_ECT0      2u
#define ECN_ECT1      1u
#define ECN_CE        3u
#define IPV4_ECN_MASK 0x0003 /* in the first half-word of the header */
#define IPV6_ECN_MASK 0x0030

struct gue_header {
	__u8 control; /* variant, control flag, header length */
	__u8 proto;
	__be16 flags;
};

/* Lengths, sender, GUE header: the outer packet is one of a balancer of ours.
 */
static __always_inline enum loom_decap_verdict outer_check(struct tunnel *t)
{
	struct loom_decap_prefix source = { .length = 128, .addr = t->src };
	const struct gue_header *gue;

	if (!bpf_map_lookup_elem(&loom_decap_sources, &source))
		return LOOM_DECAP_DROP_SOURCE;
	if (t->fragment)
		return LOOM_DECAP_DROP_FRAGMENT;
	if (t->header_bad || t->total > t->left)
		return LOOM_DECAP_DROP_MALFORMED;
	if (!t->gue)
		return LOOM_DECAP_CONTINUE;

	gue = cursor_take(&t->cur, sizeof(*gue));
	if (!gue)
		return LOOM_DECAP_DROP_MALFORMED;
	/* Variant 0 without options. A control message has another meaning of
	 * proto, and flags announce fields.
	 */
	if (gue->control || gue->flags ||
	    (gue->proto != IPPROTO_IPIP && gue->proto != IPPROTO_IPV6))
		return LOOM_DECAP_DROP_GUE;
	t->proto = gue->proto;
	t->outer_len += sizeof(*gue);
	return LOOM_DECAP_CONTINUE;
}

static __always_inline enum loom_decap_verdict inner_ipv4(struct tunnel *t)
{
	const struct iphdr *ip = cursor_take(&t->cur, sizeof(*ip));
	__u32 header;

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return LOOM_DECAP_DROP_MALFORMED;
	header = ip->ihl * 4;
	if (bpf_ntohs(ip->tot_len) < header ||
	    t->outer_len + bpf_ntohs(ip->tot_len) > t->total)
		return LOOM_DECAP_DROP_MALFORMED;

	t->inner_type = bpf_htons(ETH_P_IP);
	t->inner_dst = addr_from_v4(ip->daddr);
	t->inner_first = *(const __be16 *)ip;
	t->inner_check = ip->check;
	t->inner_proto = ip->protocol;
	t->inner_later_fragment = ip->frag_off & bpf_htons(IPV4_OFFSET);
	return cursor_skip(&t->cur, header - sizeof(*ip))
		       ? LOOM_DECAP_CONTINUE
		       : LOOM_DECAP_DROP_MALFORMED;
}

/* One extension header; false if it is not complete. */
static __always_inline bool inner_extension(struct tunnel *t)
{
	const struct ipv6_fragment *frag;
	const struct ipv6_opt_hdr *ext;
	__u32 rest;

	if (t->inner_proto == IPPROTO_FRAGMENT) {
		frag = cursor_take(&t->cur, sizeof(*frag));
		if (!frag)
			return false;
		t->inner_proto = frag->nexthdr;
		t->inner_later_fragment = frag->offset & bpf_htons(IPV6_OFFSET);
		return true;
	}
	ext = cursor_take(&t->cur, sizeof(*ext));
	if (!ext)
		return false;
	t->inner_proto = ext->nexthdr;
	rest = ext->hdrlen * 8 + 8 - sizeof(*ext);
	return rest <= CURSOR_MAX_SKIP && cursor_skip(&t->cur, rest);
}

/* To the header that is none of IPv6's own, or to the end of what this fragment
 * says.
 */
static __always_inline enum loom_decap_verdict inner_walk(struct tunnel *t)
{
#pragma clang loop unroll(full)
	for (int i = 0; i <= INNER_EXT_MAX; i++) {
		if (t->inner_later_fragment)
			return LOOM_DECAP_CONTINUE;
		switch (t->inner_proto) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_FRAGMENT:
			break;
		default:
			return LOOM_DECAP_CONTINUE;
		}
		if (i == INNER_EXT_MAX || !inner_extension(t))
			break;
	}
	return LOOM_DECAP_DROP_MALFORMED;
}

static __always_inline enum loom_decap_verdict inner_ipv6(struct tunnel *t)
{
	const struct ipv6hdr *ip = cursor_take(&t->cur, sizeof(*ip));

	if (!ip || ip->version != 6 ||
	    t->outer_len + sizeof(*ip) + bpf_ntohs(ip->payload_len) > t->total)
		return LOOM_DECAP_DROP_MALFORMED;

	t->inner_type = bpf_htons(ETH_P_IPV6);
	t->inner_dst = addr_from_v6(&ip->daddr);
	t->inner_first = *(const __be16 *)ip;
	t->inner_proto = ip->nexthdr;
	return inner_walk(t);
}

/* Would the stack, or another loom_decap, find a tunnel in it again? */
static __always_inline enum loom_decap_verdict inner_payload(struct tunnel *t)
{
	const struct udphdr *udp;

	switch (t->inner_proto) {
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
	case IPPROTO_GRE:
		return LOOM_DECAP_DROP_NESTED;
	case IPPROTO_UDP:
		if (t->inner_later_fragment)
			return LOOM_DECAP_CONTINUE;
		udp = cursor_take(&t->cur, sizeof(*udp));
		if (!udp)
			return LOOM_DECAP_DROP_MALFORMED;
		return loom_decap_settings.flags & LOOM_DECAP_F_GUE &&
				       udp->dest == loom_decap_settings.gue_port
			       ? LOOM_DECAP_DROP_NESTED
			       : LOOM_DECAP_CONTINUE;
	default:
		return LOOM_DECAP_CONTINUE;
	}
}

/* RFC 6040 4.2: what the network marked on the outer header goes in. */
static __always_inline enum loom_decap_verdict inner_ecn(struct tunnel *t)
{
	const bool v4 = t->inner_type == bpf_htons(ETH_P_IP);
	const __be16 mask = bpf_htons(v4 ? IPV4_ECN_MASK : IPV6_ECN_MASK);
	const __u32 shift = v4 ? 0 : 4;
	__u32 outer = t->outer_tos & ECN_CE;
	__u32 inner = bpf_ntohs(t->inner_first & mask) >> shift;
	__be16 first;

	if (outer == ECN_CE && !inner)
		return LOOM_DECAP_DROP_ECN;
	if (outer == inner || inner == ECN_CE ||
	    !(outer == ECN_CE || (outer == ECN_ECT1 && inner == ECN_ECT0)))
		return LOOM_DECAP_CONTINUE;

	first = (t->inner_first & ~mask) | bpf_htons(outer << shift);
	if (v4)
		t->inner_check =
			csum_replace(t->inner_check, t->inner_first, first);
	t->inner_first = first;
	t->marked = true;
	return LOOM_DECAP_CONTINUE;
}

static __always_inline enum loom_decap_verdict inner_check(struct tunnel *t)
{
	enum loom_decap_verdict verdict;

	verdict = t->proto == IPPROTO_IPIP ? inner_ipv4(t) : inner_ipv6(t);
	if (verdict)
		return verdict;

	if (!bpf_map_lookup_elem(&loom_decap_vips, &t->inner_dst))
		return LOOM_DECAP_DROP_NOT_VIP;

	verdict = inner_payload(t);
	if (verdict)
		return verdict;

	return inner_ecn(t);
}
