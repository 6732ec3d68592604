/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* How a packet of our own is made out of the one it answers: ICMP errors and
 * RSTs, back to where that came from.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "csum.h"
#include "cursor.h"
#include "encap.h"
#include "next_hop.h"
#include "offload.h"
#include "packet.h"
#include "scratch.h"

#define REPLY_TTL    64
#define REPLY_TOS    0xc0 /* internetwork control, RFC 1812 4.3.2.5 */
#define REPLY_V4_MAX 576  /* RFC 1812 4.3.2.3 */
#define REPLY_V6_MAX 1280 /* RFC 4443 2.4 (c); also the least MTU there is */

struct reply_icmp {
	__u8 type;
	__u8 code;
	__sum16 check;
	__be32 rest; /* MTU, or echo's id and sequence */
};
_Static_assert(sizeof(struct reply_icmp) == 8, "RFC 792");

/* ---- headers ------------------------------------------------------------ */

/* The hop the packet came from. */
static __always_inline bool reply_hop(loom_ctx *ctx, const struct packet *pkt,
				      struct next_hop *hop)
{
	struct cursor cur = cursor_init(ctx);
	const struct ethhdr *eth = cursor_take(&cur, sizeof(*eth));

	if (!eth)
		return false;
	__builtin_memcpy(hop->dmac, eth->h_source, ETH_ALEN);
	__builtin_memcpy(hop->smac, eth->h_dest, ETH_ALEN);
	hop->ifindex = pkt->ingress;
	return true;
}

static __always_inline __u32 reply_l3_offset(const struct packet *pkt)
{
	const struct next_hop hop = { .ifindex = pkt->ingress };

	return next_hop_l3_offset(&hop, pkt);
}

static __always_inline __u32 reply_ip_len(const struct packet *pkt)
{
	return pkt->is_v4 ? sizeof(struct iphdr) : sizeof(struct ipv6hdr);
}

/* From the address the packet was for to the one it came from. */
static __always_inline bool reply_write_ip(struct cursor *cur,
					   const struct packet *pkt, __u8 proto,
					   __u32 payload)
{
	__be32 first = bpf_htonl(6u << 28);
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (pkt->is_v4) {
		ip = cursor_take(cur, sizeof(*ip));
		if (!ip)
			return false;
		*ip = (struct iphdr){
			.version = 4,
			.ihl = sizeof(*ip) / 4,
			.tos = proto == IPPROTO_TCP ? 0 : REPLY_TOS,
			.tot_len = bpf_htons(sizeof(*ip) + payload),
			.frag_off = bpf_htons(PACKET_V4_DF),
			.ttl = REPLY_TTL,
			.protocol = proto,
			.saddr = pkt->flow.dst.w[3],
			.daddr = pkt->flow.src.w[3],
		};
		ip->check = csum_ipv4(ip);
		return true;
	}
	ip6 = cursor_take(cur, sizeof(*ip6));
	if (!ip6)
		return false;
	*ip6 = (struct ipv6hdr){
		.payload_len = bpf_htons(payload),
		.nexthdr = proto,
		.hop_limit = REPLY_TTL,
	};
	__builtin_memcpy(ip6, &first, sizeof(first));
	__builtin_memcpy(&ip6->saddr, &pkt->flow.dst, sizeof(ip6->saddr));
	__builtin_memcpy(&ip6->daddr, &pkt->flow.src, sizeof(ip6->daddr));
	return true;
}

/* The 0xffff in a mapped IPv4 address is a zero of this arithmetic. */
static __always_inline __u64 reply_pseudo(const struct packet *pkt, __u8 proto,
					  __u32 len)
{
	return csum_words(&pkt->flow.src, sizeof(pkt->flow.src)) +
	       csum_words(&pkt->flow.dst, sizeof(pkt->flow.dst)) +
	       bpf_htonl(len) + bpf_htonl(proto);
}

/* ---- ICMP errors ----------------------------------------------------------
 */

/* How much of the packet goes back. Only what is in the linear part of the
 * frame can be summed up.
 */
static __always_inline __u32 reply_quote_len(loom_ctx *ctx,
					     const struct packet *pkt)
{
	__u32 max = pkt->is_v4 ? REPLY_V4_MAX : REPLY_V6_MAX;
	struct cursor all = cursor_init(ctx);
	__u32 linear = all.end - all.pos - pkt->l3_offset;
	__u32 len = max - reply_ip_len(pkt) - sizeof(struct reply_icmp);

	if (len > pkt->l3_len)
		len = pkt->l3_len;
	return len > linear ? linear : len;
}

/* Cuts the packet off behind the quote, and puts room for the headers in front
 * of it, and the Ethernet header in front of that. XDP has to do that first:
 * where there is no headroom the frame is as it was.
 */
static __always_inline bool reply_open(loom_ctx *ctx, const struct packet *pkt,
				       __u32 room, __u32 quote)
{
	__u32 len = pkt->l3_offset + quote;
	struct next_hop hop;
	const struct next_hop_frame frame = {
		.hop = &hop,
		.room = room,
		.ethertype = packet_ethertype(pkt),
	};
	struct cursor cur;

	if (!reply_hop(ctx, pkt, &hop))
		return false;
#ifdef LOOM_TC
	return ctx_cut(ctx, pkt->frame_len, len) &&
	       !next_hop_open(ctx, pkt, &frame, &cur);
#else
	return !next_hop_open(ctx, pkt, &frame, &cur) &&
	       ctx_cut(ctx, pkt->frame_len, len);
#endif
}

static __always_inline bool reply_write_icmp(loom_ctx *ctx,
					     const struct packet *pkt,
					     const struct reply_icmp *icmp,
					     __u32 quote)
{
	__u8 proto = pkt->is_v4 ? IPPROTO_ICMP : IPPROTO_ICMPV6;
	struct cursor cur = cursor_init(ctx);
	struct reply_icmp *out;

	if (!cursor_skip(&cur, reply_l3_offset(pkt)) ||
	    !reply_write_ip(&cur, pkt, proto, quote + sizeof(*icmp)))
		return false;
	out = cursor_take(&cur, sizeof(*out));
	if (out)
		*out = *icmp;
	return out;
}

static __always_inline bool
reply_error_as(loom_ctx *ctx, const struct packet *pkt, __u32 kind, __u32 mtu)
{
	__u32 room = reply_ip_len(pkt) + sizeof(struct reply_icmp);
	__u32 quote = reply_quote_len(ctx, pkt);
	int pending = offload_pending_sum(ctx, pkt);
	__u32 summed = quote;
	struct reply_icmp icmp = {
		.type = kind >> 8,
		.code = kind,
		.rest = bpf_htonl(mtu),
	};
	__u64 sum;
	int quoted;

	if (!reply_open(ctx, pkt, room, quote))
		return false;
	if (pending >= 0)
		summed = pkt->l4_offset - pkt->l3_offset;
	quoted = encap_sum_bytes(ctx, reply_l3_offset(pkt) + room, summed);
	if (quoted < 0)
		return false;
	sum = (__u64)quoted + csum_words(&icmp, sizeof(icmp));
	if (pending >= 0)
		sum += pending;
	if (!pkt->is_v4)
		sum += reply_pseudo(pkt, IPPROTO_ICMPV6, quote + sizeof(icmp));
	icmp.check = ~csum_fold(sum);
	return reply_write_icmp(ctx, pkt, &icmp, quote);
}

/* 0: there is no room in front of the packet. */
__noinline int reply_error(loom_ctx *ctx, __u32 kind, __u32 mtu)
{
	const struct scratch *scratch = scratch_get();
	struct packet pkt;

	if (!scratch)
		return 0;
	if (scratch->pkt.is_v4) {
		pkt = scratch_packet(scratch, true);
		return reply_error_as(ctx, &pkt, kind, mtu);
	}
	pkt = scratch_packet(scratch, false);
	return reply_error_as(ctx, &pkt, kind, mtu);
}

/* ---- RST ------------------------------------------------------------------
 */

/* RFC 9293 3.5.2: the RST that its receiver takes for an answer to this very
 * segment.
 */
static __always_inline struct tcphdr
reply_reset_header(const struct packet *pkt, const struct tcphdr *tcp,
		   bool pending)
{
	__u32 header = pkt->l4_offset - pkt->l3_offset + tcp->doff * 4;
	__u32 len = pkt->l3_len - header + tcp->syn + tcp->fin;
	__u64 sum = reply_pseudo(pkt, IPPROTO_TCP, sizeof(*tcp));
	struct tcphdr rst = {
		.source = tcp->dest,
		.dest = tcp->source,
		.doff = sizeof(rst) / 4,
		.rst = 1,
	};

	if (tcp->ack) {
		rst.seq = tcp->ack_seq;
	} else {
		rst.ack = 1;
		rst.ack_seq = bpf_htonl(bpf_ntohl(tcp->seq) + len);
	}
	if (pending) /* the device will do the rest */
		rst.check = csum_fold(sum);
	else
		rst.check = ~csum_fold(sum + csum_words(&rst, sizeof(rst)));
	return rst;
}

/* Where the packet was; it is never shorter than the answer. */
static __always_inline bool reply_reset_as(loom_ctx *ctx,
					   const struct packet *pkt)
{
	__u32 len = pkt->l3_offset + reply_ip_len(pkt) + sizeof(struct tcphdr);
	bool pending = offload_pending_sum(ctx, pkt) >= 0;
	struct cursor cur = cursor_init(ctx);
	struct next_hop hop;
	const struct next_hop_frame frame = {
		.hop = &hop,
		.ethertype = packet_ethertype(pkt),
	};
	struct tcphdr *tcp;
	struct tcphdr rst;

	if (!cursor_skip(&cur, pkt->l4_offset))
		return false;
	tcp = cursor_take(&cur, sizeof(*tcp));
	if (!tcp)
		return false;
	rst = reply_reset_header(pkt, tcp, pending);

	if (!reply_hop(ctx, pkt, &hop) || !ctx_cut(ctx, pkt->frame_len, len))
		return false;
	cur = cursor_init(ctx);
	if (!next_hop_write(&cur, pkt, &frame))
		return false;
	cur = cursor_init(ctx);
	if (!cursor_skip(&cur, pkt->l3_offset) ||
	    !reply_write_ip(&cur, pkt, IPPROTO_TCP, sizeof(*tcp)))
		return false;
	tcp = cursor_take(&cur, sizeof(*tcp));
	if (tcp)
		*tcp = rst;
	return tcp;
}

/* 0: the frame cannot be shortened. */
__noinline int reply_reset(loom_ctx *ctx)
{
	const struct scratch *scratch = scratch_get();
	struct packet pkt;

	if (!scratch)
		return 0;
	if (scratch->pkt.is_v4) {
		pkt = scratch_packet(scratch, true);
		return reply_reset_as(ctx, &pkt);
	}
	pkt = scratch_packet(scratch, false);
	return reply_reset_as(ctx, &pkt);
}
