/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* DSR: the packet itself goes to the backend, in a tunnel (IPIP, GUE) or with
 * nothing but another Ethernet address (L2).
 *
 * The length of the outer packet comes from the inner IP header, never from the
 * frame, so that Ethernet padding stays padding.
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
#include "flow.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "next_hop.h"
#include "packet.h"

#define ENCAP_TTL          64
#define ENCAP_MAX_PACKET   65535
#define ENCAP_GUE_PORT_MIN 0x8000 /* sources: 32768-65535, never 0 */

/* Variant 0 as Linux takes it (`fou ... gue`): no optional fields. */
struct encap_gue {
	struct udphdr udp;
	__u8 control; /* version 0, control bit 0, header length 0 */
	__u8 proto;
	__be16 flags;
};
_Static_assert(sizeof(struct encap_gue) == 12, "8 bytes UDP, 4 bytes GUE");

/* Bytes that forwarding to this backend puts in front of the packet. */
static __always_inline __u32 encap_overhead(const struct loom_backend *backend)
{
	__u32 outer = addr_is_v4(&backend->addr) ? sizeof(struct iphdr)
						 : sizeof(struct ipv6hdr);

	switch (backend->forwarding) {
	case LOOM_FORWARD_IPIP:
		return outer;
	case LOOM_FORWARD_GUE:
		return outer + sizeof(struct encap_gue);
	default:
		return 0;
	}
}

/* Also keeps the outer length inside its 16 bits where no MTU is known. */
static __always_inline enum loom_verdict
encap_check_mtu(const struct packet *pkt, const struct loom_backend *backend)
{
	__u32 max = backend->mtu ? backend->mtu : ENCAP_MAX_PACKET;

	if (pkt->l3_len + encap_overhead(backend) > max)
		return LOOM_DROP_TOO_BIG;
	return LOOM_CONTINUE;
}

/* What is known before there is room for it. */
struct encap_outer {
	const struct loom_backend *backend;
	struct loom_addr source;
	__u32 payload_sum; /* where encap_wants_csum() */
};

/* The flow's address out of the pool, if there is one: so RSS and ECMP see more
 * than one pair of ends.
 */
static __always_inline struct loom_addr
encap_source(const struct packet *pkt, const struct loom_backend *backend)
{
	const struct loom_addr *source;
	__u64 hash;
	__u32 key;

	if (!backend->source_count)
		return backend->source;
	hash = flow_hash(&pkt->flow);
	key = backend->source_first + (hash * backend->source_count >> 32);
	source = bpf_map_lookup_elem(&loom_sources, &key);
	return source ? *source : backend->source;
}

static __always_inline __u8 encap_inner_proto(const struct packet *pkt)
{
	return pkt->is_v4 ? IPPROTO_IPIP : IPPROTO_IPV6;
}

/* The id has to be unique only where the packet may be fragmented (RFC 6864).
 */
static __always_inline void encap_ipv4(struct iphdr *ip,
				       const struct packet *pkt,
				       const struct encap_outer *outer)
{
	const struct loom_backend *backend = outer->backend;
	bool gue = backend->forwarding == LOOM_FORWARD_GUE;

	*ip = (struct iphdr){
		.version = 4,
		.ihl = sizeof(*ip) / 4,
		.tos = pkt->tos,
		.tot_len = bpf_htons(pkt->l3_len + encap_overhead(backend)),
		.ttl = ENCAP_TTL,
		.protocol = gue ? IPPROTO_UDP : encap_inner_proto(pkt),
		.saddr = outer->source.w[3],
		.daddr = backend->addr.w[3],
	};
	if (pkt->may_fragment)
		ip->id = bpf_get_prandom_u32();
	else
		ip->frag_off = bpf_htons(PACKET_V4_DF);
	ip->check = csum_ipv4(ip);
}

/* The flow label lets routers spread flows that have the same two ends
 * (RFC 6438).
 */
static __always_inline void encap_ipv6(struct ipv6hdr *ip,
				       const struct packet *pkt,
				       const struct encap_outer *outer)
{
	const struct loom_backend *backend = outer->backend;
	bool gue = backend->forwarding == LOOM_FORWARD_GUE;
	__u32 label = flow_hash(&pkt->flow) & 0xfffff;
	__be32 first = bpf_htonl(6u << 28 | (__u32)pkt->tos << 20 | label);

	*ip = (struct ipv6hdr){
		.payload_len = bpf_htons(pkt->l3_len + encap_overhead(backend) -
					 sizeof(*ip)),
		.nexthdr = gue ? IPPROTO_UDP : encap_inner_proto(pkt),
		.hop_limit = ENCAP_TTL,
	};
	__builtin_memcpy(ip, &first, sizeof(first));
	__builtin_memcpy(&ip->saddr, &outer->source, sizeof(ip->saddr));
	__builtin_memcpy(&ip->daddr, &backend->addr, sizeof(ip->daddr));
}

#define ENCAP_SUM_CHUNK 64
#define ENCAP_SUM_MAX   9216 /* jumbo frames */

/* Adds up fewer than ENCAP_SUM_CHUNK bytes; negative if they are not there. */
static __always_inline __s64 encap_sum_tail(struct cursor *cur, __u32 len)
{
	const __be32 *word;
	const __u8 *byte;
	__u64 sum = 0;

	for (int i = 0; i < ENCAP_SUM_CHUNK / 4 && len >= 4; i++) {
		word = cursor_take(cur, sizeof(*word));
		if (!word)
			return -1;
		sum += *word;
		len -= sizeof(*word);
	}
	for (int i = 0; i < 3 && len; i++) {
		byte = cursor_take(cur, sizeof(*byte));
		if (!byte)
			return -1;
		/* In a 32-bit word of memory order, zeros behind it. */
		sum += bpf_htonl((__u32)*byte << (24 - 8 * i));
		len--;
	}
	return sum;
}

/* Adds up len bytes of the frame one by one, to 16 bits; negative if they are
 * not all in the linear part of the frame, or too many. A global function, and
 * the tail first: so the verifier walks each loop once, not once per way to get
 * here, and not once per length of the chunks before it.
 */
__noinline int encap_sum_bytes(loom_ctx *ctx, __u32 offset, __u32 len)
{
	__u32 tail = len % ENCAP_SUM_CHUNK;
	struct cursor cur = cursor_init(ctx);
	const void *chunk;
	__s64 sum;

	if (len > ENCAP_SUM_MAX || !cursor_skip(&cur, offset + len - tail))
		return -1;
	sum = encap_sum_tail(&cur, tail);
	if (sum < 0)
		return -1;

	cur = cursor_init(ctx);
	if (!cursor_skip(&cur, offset))
		return -1;
	len -= tail;
	for (int i = 0; i < ENCAP_SUM_MAX / ENCAP_SUM_CHUNK && len; i++) {
		chunk = cursor_take(&cur, ENCAP_SUM_CHUNK);
		if (!chunk)
			return -1;
		sum += csum_words(chunk, ENCAP_SUM_CHUNK);
		len -= ENCAP_SUM_CHUNK;
		/* Else clang counts in len alone, and the verifier does not
		 * know that it ends at 0.
		 */
		asm volatile("" : "+r"(len));
	}
	return csum_fold(sum);
}

/* The sum of the bytes behind the IP header and IPv4's options, or negative.
 * Where the packet's own checksum covers them all, the sum of segment and
 * pseudo-header is 0xffff, so the segment's alone is known from the addresses.
 * If that checksum is wrong, so is the outer one we derive from it: a damaged
 * packet does not become a valid one. A UDP packet without checksum, or with
 * bytes behind the UDP length, is added up, and so are fragments and extension
 * headers.
 */
static __always_inline int encap_sum_payload(loom_ctx *ctx,
					     const struct packet *pkt)
{
	__u32 offset = pkt->is_v4 ? pkt->l4_offset
				  : pkt->l3_offset + sizeof(struct ipv6hdr);
	__u32 len = pkt->l3_len - (offset - pkt->l3_offset);
	__u64 pseudo;

	if (!pkt->summed)
		return encap_sum_bytes(ctx, offset, len);
	/* The 0xffff in a mapped IPv4 address is a zero of this arithmetic. */
	pseudo = csum_words(&pkt->flow.src, sizeof(pkt->flow.src)) +
		 csum_words(&pkt->flow.dst, sizeof(pkt->flow.dst)) +
		 bpf_htonl(len) + bpf_htonl(pkt->flow.proto);
	return (__u16)~csum_fold(pseudo);
}

static __always_inline bool encap_wants_csum(const struct loom_backend *backend)
{
	return backend->forwarding == LOOM_FORWARD_GUE &&
	       !addr_is_v4(&backend->addr) &&
	       !(backend->flags & LOOM_BACKEND_F_UDP6_ZERO_CSUM);
}

/* Over IPv6 the checksum is mandatory (RFC 8200 8.1). inner is at the inner IP
 * header; one of IPv4 adds up to 0xffff and is left out.
 */
static __always_inline bool encap_gue_csum(const struct encap_outer *outer,
					   struct encap_gue *gue,
					   struct cursor inner)
{
	const struct ipv6hdr *ip;
	__u64 sum = outer->payload_sum;
	__u16 check;

	sum += csum_words(&outer->source, sizeof(outer->source));
	sum += csum_words(&outer->backend->addr, sizeof(outer->backend->addr));
	sum += bpf_htonl(bpf_ntohs(gue->udp.len));
	sum += bpf_htonl(IPPROTO_UDP);
	sum += csum_words(gue, sizeof(*gue));
	if (gue->proto == IPPROTO_IPV6) {
		ip = cursor_take(&inner, sizeof(*ip));
		if (!ip)
			return false;
		sum += csum_words(ip, sizeof(*ip));
	}
	check = ~csum_fold(sum);
	gue->udp.check = check ? check : 0xffff;
	return true;
}

static __always_inline bool encap_write_gue(struct cursor *cur,
					    const struct packet *pkt,
					    const struct encap_outer *outer)
{
	const struct loom_backend *backend = outer->backend;
	__u16 sport = ENCAP_GUE_PORT_MIN | flow_hash(&pkt->flow);
	struct encap_gue *gue = cursor_take(cur, sizeof(*gue));

	if (!gue)
		return false;
	*gue = (struct encap_gue){
		.udp.source = bpf_htons(sport),
		.udp.dest = backend->port,
		.udp.len = bpf_htons(pkt->l3_len + sizeof(*gue)),
		.proto = encap_inner_proto(pkt),
	};
	return !encap_wants_csum(backend) || encap_gue_csum(outer, gue, *cur);
}

static __always_inline bool encap_write_ip(struct cursor *cur,
					   const struct packet *pkt,
					   const struct encap_outer *outer)
{
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (addr_is_v4(&outer->backend->addr)) {
		ip = cursor_take(cur, sizeof(*ip));
		if (ip)
			encap_ipv4(ip, pkt, outer);
		return ip;
	}
	ip6 = cursor_take(cur, sizeof(*ip6));
	if (ip6)
		encap_ipv6(ip6, pkt, outer);
	return ip6;
}

/* Counts the inner packet's hop, which GUE's checksum covers, and writes the
 * headers in front of it. False only if the room made for them is not there.
 */
static __always_inline bool encap_write(struct cursor *cur,
					const struct packet *pkt,
					const struct encap_outer *outer)
{
	const struct loom_backend *backend = outer->backend;
	struct cursor inner = *cur;

	if (!cursor_skip(&inner, encap_overhead(backend)) ||
	    !packet_count_hop(&inner, pkt->is_v4))
		return false;
	if (!encap_write_ip(cur, pkt, outer))
		return false;
	return backend->forwarding != LOOM_FORWARD_GUE ||
	       encap_write_gue(cur, pkt, outer);
}

/* All that can still stop the packet, but the room for its headers. */
static __always_inline enum loom_verdict
encap_prepare(loom_ctx *ctx, const struct packet *pkt,
	      const struct loom_backend *backend, struct encap_outer *outer)
{
	int sum = 0;

	outer->backend = backend;
	outer->source = encap_source(pkt, backend);
	if (addr_is_v4(&backend->addr) != addr_is_v4(&outer->source))
		return LOOM_ABORT_BACKEND_INVALID;
	if (encap_wants_csum(backend))
		sum = encap_sum_payload(ctx, pkt);
	if (sum < 0)
		return LOOM_DROP_TOO_BIG;
	outer->payload_sum = sum;
	return LOOM_CONTINUE;
}

static __always_inline enum loom_verdict
encap_forward(loom_ctx *ctx, const struct packet *pkt,
	      const struct encap_outer *outer, const struct next_hop *hop)
{
	bool outer_v4 = addr_is_v4(&outer->backend->addr);
	const struct next_hop_frame frame = {
		.hop = hop,
		.room = encap_overhead(outer->backend),
		.ethertype = bpf_htons(outer_v4 ? ETH_P_IP : ETH_P_IPV6),
	};
	enum loom_verdict verdict;
	struct cursor cur;

	verdict = next_hop_open(ctx, pkt, &frame, &cur);
	if (verdict)
		return verdict;
	if (!encap_write(&cur, pkt, outer))
		return LOOM_DROP_NO_HEADROOM;
	return LOOM_CONTINUE;
}

static __always_inline enum loom_verdict
encap_forward_l2(loom_ctx *ctx, const struct packet *pkt,
		 const struct next_hop *hop)
{
	const struct next_hop_frame frame = {
		.hop = hop,
		.ethertype = packet_ethertype(pkt),
	};
	enum loom_verdict verdict;
	struct cursor cur;

	verdict = next_hop_open(ctx, pkt, &frame, &cur);
	if (verdict)
		return verdict;
	return packet_count_hop(&cur, pkt->is_v4) ? LOOM_CONTINUE
						  : LOOM_DROP_NO_HEADROOM;
}
