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
#include "encap_sum.h"
#include "flow.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "next_hop.h"
#include "offload.h"
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
	__u32 overhead = encap_overhead(backend);

	if (packet_wire_len(pkt, overhead) > max)
		return LOOM_DROP_TOO_BIG;
	if (packet_is_gso(pkt) && pkt->l3_len + overhead > ENCAP_MAX_PACKET)
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

/* Over IPv6 the checksum is mandatory (RFC 8200 8.1), unless the packet will be
 * cut into segments: one checksum cannot be right for all of them, and that the
 * card or the kernel computes one for each cannot be asked for from here. Then
 * it is 0, which tunnels may send (RFC 6935) and Linux's fou and loom_decap
 * take.
 */
static __always_inline bool encap_wants_csum(const struct packet *pkt,
					     const struct loom_backend *backend)
{
	return backend->forwarding == LOOM_FORWARD_GUE && !packet_is_gso(pkt) &&
	       !addr_is_v4(&backend->addr) &&
	       !(backend->flags & LOOM_BACKEND_F_UDP6_ZERO_CSUM);
}

/* inner is at the inner IP header; one of IPv4 adds up to 0xffff and is left
 * out.
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
	return !encap_wants_csum(pkt, backend) ||
	       encap_gue_csum(outer, gue, *cur);
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
	if (encap_wants_csum(pkt, backend))
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
		.tunnel = outer->backend->forwarding == LOOM_FORWARD_GUE
				  ? NEXT_HOP_TUNNEL_UDP
				  : NEXT_HOP_TUNNEL_IP,
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
