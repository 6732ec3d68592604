/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Is this frame a tunnel packet to this host? Up to the answer, nothing may be
 * dropped: the packet may be anybody's.
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
#include "loom/decap.h"

#define VLAN_TAGS_MAX 2
#define IPV4_FRAGMENT 0x3fff /* more-fragments flag, or any offset */
#define IPV4_OFFSET   0x1fff
#define IPV6_OFFSET   0xfff8

struct vlan_tag {
	__be16 tpid;
	__be16 tci;
};

struct ipv6_fragment {
	__u8 nexthdr;
	__u8 reserved;
	__be16 offset;
	__be32 id;
};

/* What is known about a packet; every stage adds to it. */
struct tunnel {
	struct cursor cur; /* what has not been read yet */
	__u32 frame_len;
	__u32 tags_max; /* VLAN tags that may be in the frame */
	__u32 left;     /* frame bytes from the outer IP header on */
	__u8 macs[2 * ETH_ALEN];
	struct vlan_tag tag[VLAN_TAGS_MAX];
	__u32 tags;

	struct loom_addr src, dst; /* of the outer packet */
	__be16 outer_type;         /* ethertype */
	__u8 outer_tos;
	__u8 proto;  /* first the outer payload's, then, behind GUE, the inner
			one's */
	__u32 total; /* bytes of the outer packet, as its header says */
	__u32 outer_len; /* bytes in front of the inner packet that will go */
	bool fragment, later_fragment, header_bad, gue;

	struct loom_addr inner_dst;
	__be16 inner_type;
	__be16 inner_first;  /* first half-word: version, ECN */
	__sum16 inner_check; /* IPv4 */
	__u8 inner_proto;
	bool inner_later_fragment;
	bool marked; /* inner_first and inner_check are to be written */
};

static __always_inline enum loom_decap_verdict outer_ipv4(struct tunnel *t)
{
	const struct iphdr *ip = cursor_take(&t->cur, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < 5)
		return LOOM_DECAP_PASS_NOT_IP;

	t->src = addr_from_v4(ip->saddr);
	t->dst = addr_from_v4(ip->daddr);
	t->outer_tos = ip->tos;
	t->proto = ip->protocol;
	t->total = bpf_ntohs(ip->tot_len);
	t->outer_len = ip->ihl * 4;
	t->fragment = ip->frag_off & bpf_htons(IPV4_FRAGMENT);
	t->later_fragment = ip->frag_off & bpf_htons(IPV4_OFFSET);
	/* No balancer sends options. The stack, which would have checked the
	 * sum, will not see this header.
	 */
	t->header_bad = ip->ihl != 5 ||
			csum_fold(csum_words(ip, sizeof(*ip))) != 0xffff;
	return cursor_skip(&t->cur, ip->ihl * 4 - sizeof(*ip))
		       ? LOOM_DECAP_CONTINUE
		       : LOOM_DECAP_PASS_NOT_IP;
}

/* A tunnel header behind extension headers is left to the stack: no balancer
 * sends that. Fragments are not: reassembled, they would be tunnel packets.
 */
static __always_inline enum loom_decap_verdict outer_ipv6(struct tunnel *t)
{
	const struct ipv6hdr *ip = cursor_take(&t->cur, sizeof(*ip));
	const struct ipv6_fragment *frag;

	if (!ip || ip->version != 6)
		return LOOM_DECAP_PASS_NOT_IP;

	t->src = addr_from_v6(&ip->saddr);
	t->dst = addr_from_v6(&ip->daddr);
	t->outer_tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	t->proto = ip->nexthdr;
	t->total = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	t->outer_len = sizeof(*ip);
	if (ip->nexthdr != IPPROTO_FRAGMENT)
		return LOOM_DECAP_CONTINUE;

	frag = cursor_take(&t->cur, sizeof(*frag));
	if (!frag)
		return LOOM_DECAP_PASS_NOT_IP;
	t->proto = frag->nexthdr;
	t->fragment = true;
	t->later_fragment = frag->offset & bpf_htons(IPV6_OFFSET);
	return LOOM_DECAP_CONTINUE;
}

/* Ethernet, VLAN tags, and the outer IP header. */
static __always_inline enum loom_decap_verdict outer_parse(struct tunnel *t)
{
	const __u8 *macs = cursor_take(&t->cur, sizeof(t->macs));
	const __be16 *type, *tci;

	if (!macs)
		return LOOM_DECAP_PASS_NOT_IP;
	__builtin_memcpy(t->macs, macs, sizeof(t->macs));
	type = cursor_take(&t->cur, sizeof(*type));
	if (!type)
		return LOOM_DECAP_PASS_NOT_IP;

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < VLAN_TAGS_MAX; i++) {
		if (i >= t->tags_max || (*type != bpf_htons(ETH_P_8021Q) &&
					 *type != bpf_htons(ETH_P_8021AD)))
			break;
		tci = cursor_take(&t->cur, sizeof(*tci));
		if (!tci)
			return LOOM_DECAP_PASS_NOT_IP;
		t->tag[i] = (struct vlan_tag){ .tpid = *type, .tci = *tci };
		t->tags = i + 1;
		type = cursor_take(&t->cur, sizeof(*type));
		if (!type)
			return LOOM_DECAP_PASS_NOT_IP;
	}

	t->left = t->frame_len - ETH_HLEN - t->tags * sizeof(struct vlan_tag);
	t->outer_type = *type;
	switch (bpf_ntohs(*type)) {
	case ETH_P_IP:
		return outer_ipv4(t);
	case ETH_P_IPV6:
		return outer_ipv6(t);
	default:
		return LOOM_DECAP_PASS_NOT_IP;
	}
}

/* Is it a tunnel packet to this host? Until it is, nothing may be dropped. */
static __always_inline enum loom_decap_verdict tunnel_find(struct tunnel *t)
{
	const struct udphdr *udp;
	__u32 udp_len;

	switch (t->proto) {
	case IPPROTO_IPIP:
	case IPPROTO_IPV6:
		if (!(loom_decap_settings.flags & LOOM_DECAP_F_IPIP))
			return LOOM_DECAP_PASS_NOT_TUNNEL;
		break;
	case IPPROTO_UDP:
		if (!(loom_decap_settings.flags & LOOM_DECAP_F_GUE) ||
		    t->later_fragment)
			return LOOM_DECAP_PASS_NOT_TUNNEL;
		udp = cursor_take(&t->cur, sizeof(*udp));
		if (!udp || udp->dest != loom_decap_settings.gue_port)
			return LOOM_DECAP_PASS_NOT_TUNNEL;
		/* The outer UDP checksum is not looked at: XDP would have to
		 * read the whole packet. The inner headers have their own.
		 */
		udp_len = bpf_ntohs(udp->len);
		t->header_bad |= t->outer_len + udp_len != t->total;
		t->outer_len += sizeof(*udp);
		t->gue = true;
		break;
	default:
		return LOOM_DECAP_PASS_NOT_TUNNEL;
	}
	return bpf_map_lookup_elem(&loom_decap_locals, &t->dst)
		       ? LOOM_DECAP_CONTINUE
		       : LOOM_DECAP_PASS_NOT_LOCAL;
}
