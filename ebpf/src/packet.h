/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From bytes to struct packet. The only code that reads both IP header formats;
 * every later stage is the same for IPv4 and IPv6.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "addr.h"
#include "csum.h"
#include "ctx.h"
#include "cursor.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "skb.h"

#define PACKET_MAX_TAGS    2
#define PACKET_V4_DF       0x4000
#define PACKET_V4_MORE     0x2000
#define PACKET_V4_OFFSET   0x1fff
#define PACKET_V4_FRAGMENT (PACKET_V4_MORE | PACKET_V4_OFFSET)

#define PACKET_TCP_FIN 0x01
#define PACKET_TCP_SYN 0x02
#define PACKET_TCP_RST 0x04
#define PACKET_TCP_ACK 0x10

struct packet_tag {
	__be16 tpid;
	__be16 tci;
};

/* What the datapath knows about a packet. The upper part is written by the
 * parsers only and describes the packet as received; the lower part is what
 * finish() has to know.
 */
struct packet {
	struct loom_flow flow; /* ports 0 unless TCP or UDP */
	__u64 now;             /* jiffies */
	__u32 ingress;
	__u32 frame_len;
	__u32 l3_len;    /* IP header and payload, as the header says */
	__u32 l3_offset; /* also the length of the Ethernet header with tags */
	__u32 l4_offset;
	enum loom_verdict special; /* not CONTINUE: way out if for a VIP */
	struct packet_tag tags[PACKET_MAX_TAGS];
	__u8 tag_count;      /* of those in the frame */
	bool may_be_partial; /* L4 checksums that are not filled in yet occur */
	__u8 smac[ETH_ALEN];
	__u8 tos;       /* or traffic class */
	__u8 ttl;       /* or hop limit */
	__u8 tcp_flags; /* 0 for UDP */
	__be32 tcp_seq;
	bool is_v4;
	bool may_fragment; /* DF is clear; never in IPv6 */
	bool summed;       /* an L4 checksum covers the whole IP payload */

	bool new_flow;
	__u32 backend; /* id; 0: none chosen */
	__u32 egress;  /* ifindex; FORWARD_REDIRECT and REPLY_REDIRECT */
};

/* The first packet of a connection, or it once more. */
static __always_inline bool packet_is_open(const struct packet *pkt)
{
	return (pkt->tcp_flags & (PACKET_TCP_SYN | PACKET_TCP_ACK |
				  PACKET_TCP_RST)) == PACKET_TCP_SYN;
}

/* clang leaves memcmp() to a library we do not have. */
static __always_inline bool packet_mac_equal(const __u8 *a, const __u8 *b)
{
	__u8 diff = 0;

#pragma clang loop unroll(full)
	for (int i = 0; i < ETH_ALEN; i++)
		diff |= a[i] ^ b[i];
	return !diff;
}

static __always_inline __be16 packet_ethertype(const struct packet *pkt)
{
	return pkt->is_v4 ? bpf_htons(ETH_P_IP) : bpf_htons(ETH_P_IPV6);
}

/* Length of the frame with all its fragments in memory (xdp.frags). */
static __always_inline __u32 packet_frame_len(loom_ctx *ctx)
{
#ifdef LOOM_TC
	return ctx->len;
#else
	if (loom_config.features & LOOM_FEATURE_FRAGS)
		return bpf_xdp_get_buff_len(ctx);
	return ctx->data_end - ctx->data;
#endif
}

/* Of which nothing but its frame is known yet. */
static __always_inline struct packet packet_from(loom_ctx *ctx)
{
	skb_begin(ctx);
	return (struct packet){
		.ingress = ctx_ingress(ctx),
		.frame_len = packet_frame_len(ctx),
	};
}

/* Leaves the cursor behind the last tag. A third tag is not IP to us. */
static __always_inline enum loom_verdict
packet_parse_l2(struct cursor *cur, struct packet *pkt, __be16 *ethertype)
{
	const struct ethhdr *eth = cursor_take(cur, sizeof(*eth));

	if (!eth)
		return LOOM_PASS_MALFORMED;
	__builtin_memcpy(pkt->smac, eth->h_source, ETH_ALEN);
	*ethertype = eth->h_proto;
	pkt->l3_offset = sizeof(*eth);

#pragma clang loop unroll(full)
	for (int i = 0; i < PACKET_MAX_TAGS; i++) {
		const struct {
			__be16 tci;
			__be16 ethertype;
		} * tag;

		if (*ethertype != bpf_htons(ETH_P_8021Q) &&
		    *ethertype != bpf_htons(ETH_P_8021AD))
			break;
		tag = cursor_take(cur, sizeof(*tag));
		if (!tag)
			return LOOM_PASS_MALFORMED;
		pkt->tags[i].tpid = *ethertype;
		pkt->tags[i].tci = tag->tci;
		pkt->tag_count = i + 1;
		pkt->l3_offset += sizeof(*tag);
		*ethertype = tag->ethertype;
	}
#ifdef LOOM_TC
	if (skb_tag_count() > PACKET_MAX_TAGS)
		return LOOM_PASS_NOT_IP;
#endif
	return LOOM_CONTINUE;
}

static __always_inline enum loom_verdict packet_parse_ipv4(struct cursor *cur,
							   struct packet *pkt)
{
	const struct iphdr *ip = cursor_take(cur, sizeof(*ip));
	__u32 header_len;

	if (!ip || ip->version != 4)
		return LOOM_PASS_MALFORMED;
	header_len = ip->ihl * 4;
	pkt->l3_len = bpf_ntohs(ip->tot_len);
	if (header_len < sizeof(*ip) || pkt->l3_len < header_len)
		return LOOM_PASS_MALFORMED;

	pkt->is_v4 = true;
	pkt->l4_offset = pkt->l3_offset + header_len;
	pkt->tos = ip->tos;
	pkt->ttl = ip->ttl;
	pkt->may_fragment = !(ip->frag_off & bpf_htons(PACKET_V4_DF));
	pkt->flow.src = addr_from_v4(ip->saddr);
	pkt->flow.dst = addr_from_v4(ip->daddr);
	pkt->flow.proto = ip->protocol;
	if (ip->frag_off & bpf_htons(PACKET_V4_FRAGMENT))
		pkt->special = LOOM_DROP_FRAGMENT_UNKNOWN;
	else if (ip->protocol == IPPROTO_ICMP)
		pkt->special = LOOM_PASS_ICMP;

	if (!cursor_skip(cur, header_len - sizeof(*ip)))
		return LOOM_PASS_MALFORMED;
	return LOOM_CONTINUE;
}

/* Why a packet with this first header is not for the hot path. */
static __always_inline enum loom_verdict packet_ipv6_special(__u8 nexthdr)
{
	switch (nexthdr) {
	case IPPROTO_FRAGMENT:
		return LOOM_DROP_FRAGMENT_UNKNOWN;
	case IPPROTO_ICMPV6:
		return LOOM_PASS_ICMP;
	case IPPROTO_HOPOPTS:
	case IPPROTO_ROUTING:
	case IPPROTO_DSTOPTS:
	case IPPROTO_ESP:
	case IPPROTO_AH:
	case IPPROTO_MH:
	case 139: /* HIP, RFC 7401 */
	case 140: /* shim6, RFC 5533 */
		return LOOM_PASS_EXTENSION_HEADER;
	default:
		return LOOM_CONTINUE;
	}
}

static __always_inline enum loom_verdict packet_parse_ipv6(struct cursor *cur,
							   struct packet *pkt)
{
	const struct ipv6hdr *ip = cursor_take(cur, sizeof(*ip));

	if (!ip || ip->version != 6)
		return LOOM_PASS_MALFORMED;

	pkt->l3_len = bpf_ntohs(ip->payload_len) + sizeof(*ip);
	pkt->l4_offset = pkt->l3_offset + sizeof(*ip);
	pkt->tos = ip->priority << 4 | ip->flow_lbl[0] >> 4;
	pkt->ttl = ip->hop_limit;
	pkt->flow.src = addr_from_v6(&ip->saddr);
	pkt->flow.dst = addr_from_v6(&ip->daddr);
	pkt->flow.proto = ip->nexthdr;
	pkt->special = packet_ipv6_special(ip->nexthdr);
	return LOOM_CONTINUE;
}

/* Addresses and lengths. The packet may be anybody's: never drops. Leaves the
 * cursor at the L4 header.
 */
static __always_inline enum loom_verdict packet_parse_l3(struct cursor *cur,
							 struct packet *pkt)
{
	enum loom_verdict verdict;
	__be16 ethertype;

	verdict = packet_parse_l2(cur, pkt, &ethertype);
	if (verdict)
		return verdict;

	switch (ethertype) {
	case bpf_htons(ETH_P_IP):
		return packet_parse_ipv4(cur, pkt);
	case bpf_htons(ETH_P_IPV6):
		return packet_parse_ipv6(cur, pkt);
	default:
		return LOOM_PASS_NOT_IP;
	}
}

/* For a VIP: does its length hold, and can it be balanced at all. */
static __always_inline enum loom_verdict packet_check(const struct packet *pkt)
{
	if (pkt->l3_len > pkt->frame_len - pkt->l3_offset)
		return LOOM_DROP_BAD_LENGTH;
	return pkt->special;
}

/* A checksum that the sending device was to fill in holds the sum of the
 * pseudo-header until then. XDP cannot fill it in, and what it changes would
 * make it wrong: TC still knows what is missing. One honest packet in 65 536
 * looks the same and takes that way as well.
 */
static __always_inline enum loom_verdict
packet_check_partial(const struct packet *pkt, __u32 l4_len, __sum16 check)
{
	__u64 pseudo;

	if (!pkt->may_be_partial)
		return LOOM_CONTINUE;
	pseudo = csum_words(&pkt->flow.src, sizeof(pkt->flow.src)) +
		 csum_words(&pkt->flow.dst, sizeof(pkt->flow.dst)) +
		 bpf_htonl(l4_len) + bpf_htonl(pkt->flow.proto);
	return check == csum_fold(pseudo) ? LOOM_PASS_HANDED_UP : LOOM_CONTINUE;
}

static __always_inline enum loom_verdict
packet_parse_tcp(struct cursor *cur, struct packet *pkt, __u32 l4_len)
{
	const struct tcphdr *tcp = cursor_take(cur, sizeof(*tcp));

	if (!tcp || l4_len < sizeof(*tcp))
		return LOOM_DROP_SHORT_L4;
	if (tcp->doff < sizeof(*tcp) / 4 || tcp->doff * 4 > l4_len)
		return LOOM_DROP_BAD_L4;

	pkt->flow.sport = tcp->source;
	pkt->flow.dport = tcp->dest;
	pkt->tcp_flags = ((const __u8 *)tcp)[13];
	pkt->tcp_seq = tcp->seq;
	skb_set_l4_header(tcp->doff * 4);
	pkt->summed = true;
	return packet_check_partial(pkt, l4_len, tcp->check);
}

static __always_inline enum loom_verdict packet_parse_udp(struct cursor *cur,
							  struct packet *pkt,
							  __u32 l4_len,
							  bool whole)
{
	const struct udphdr *udp = cursor_take(cur, sizeof(*udp));
	__u32 udp_len;

	if (!udp || l4_len < sizeof(*udp))
		return LOOM_DROP_SHORT_L4;
	udp_len = bpf_ntohs(udp->len);
	if (udp_len < sizeof(*udp) || (whole && udp_len > l4_len))
		return LOOM_DROP_BAD_L4;

	pkt->flow.sport = udp->source;
	pkt->flow.dport = udp->dest;
	skb_set_l4_header(sizeof(*udp));
	pkt->summed = udp->check && udp_len == l4_len;
	return packet_check_partial(pkt, udp_len, udp->check);
}

/* Ports. Lengths come from the IP header, never from the frame: short frames
 * are padded. Other protocols keep port 0, on which no service listens. A first
 * fragment is not whole.
 */
static __always_inline enum loom_verdict
packet_parse_l4(struct cursor *cur, struct packet *pkt, bool whole)
{
	__u32 l4_len = pkt->l3_len - (pkt->l4_offset - pkt->l3_offset);

	switch (pkt->flow.proto) {
	case IPPROTO_TCP:
		return packet_parse_tcp(cur, pkt, l4_len);
	case IPPROTO_UDP:
		return packet_parse_udp(cur, pkt, l4_len, whole);
	default:
		return LOOM_CONTINUE;
	}
}

/* Takes the IP header of family is_v4 and counts its hop, as a router does. */
static __always_inline bool packet_count_hop(struct cursor *cur, bool is_v4)
{
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (is_v4) {
		ip = cursor_take(cur, sizeof(*ip));
		if (!ip)
			return false;
		ip->ttl--;
		ip->check = csum_replace(ip->check, bpf_htons(0x0100), 0);
		return true;
	}
	ip6 = cursor_take(cur, sizeof(*ip6));
	if (!ip6)
		return false;
	ip6->hop_limit--;
	return true;
}
