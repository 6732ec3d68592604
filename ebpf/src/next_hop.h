/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Where a frame goes next, and the Ethernet header that takes it there. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "addr.h"
#include "cursor.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "packet.h"
#include "skb.h"

#define NEXT_HOP_AF_INET  2 /* <sys/socket.h> is not for BPF */
#define NEXT_HOP_AF_INET6 10

struct next_hop {
	__u8 dmac[ETH_ALEN];
	__u8 smac[ETH_ALEN];
	__u32 ifindex;
};

enum next_hop_tunnel {
	NEXT_HOP_NO_TUNNEL,
	NEXT_HOP_TUNNEL_IP,
	NEXT_HOP_TUNNEL_UDP,
};

/* What next_hop_open() makes of a frame. */
struct next_hop_frame {
	const struct next_hop *hop;
	__u32 room;       /* bytes between the Ethernet and the old IP header */
	__be16 ethertype; /* of what starts there */
	enum next_hop_tunnel tunnel; /* what the room is for */
};

/* True: there is a route, and the kernel knows how to find out the MAC of its
 * next hop (skb_state), and keeps the packet until then. Kernels before 5.12 do
 * not say where the route goes; they get the ingress interface. Into the VLAN
 * that the packet came from, the kernel would not find the way.
 */
static __always_inline bool
next_hop_left_to_kernel(long err __attribute__((unused)),
			const struct bpf_fib_lookup *fib
			__attribute__((unused)),
			const struct packet *pkt __attribute__((unused)))
{
#ifdef LOOM_TC
	struct skb_state *skb = skb_get();

	if (err != BPF_FIB_LKUP_RET_NO_NEIGH || !skb)
		return false;
	if (fib->ifindex == pkt->ingress && (skb->outer || skb->tags[0]))
		return false;
	skb->via.nh_family = fib->family;
	__builtin_memcpy(skb->via.ipv6_nh, fib->ipv6_dst,
			 sizeof(skb->via.ipv6_nh));
	return true;
#else
	return false;
#endif
}

/* Asks the kernel, with the routes of the ingress interface's namespace. */
static __always_inline enum loom_verdict
next_hop_from_fib(loom_ctx *ctx, const struct packet *pkt,
		  const struct loom_backend *backend, struct next_hop *hop)
{
	struct bpf_fib_lookup fib = { .ifindex = pkt->ingress };
	long err;

	if (addr_is_zero(&backend->source))
		return LOOM_DROP_NO_NEXT_HOP;
	if (addr_is_v4(&backend->addr)) {
		fib.family = NEXT_HOP_AF_INET;
		fib.ipv4_src = backend->source.w[3];
		fib.ipv4_dst = backend->addr.w[3];
	} else {
		fib.family = NEXT_HOP_AF_INET6;
		__builtin_memcpy(fib.ipv6_src, &backend->source, 16);
		__builtin_memcpy(fib.ipv6_dst, &backend->addr, 16);
	}
	err = bpf_fib_lookup(ctx, &fib, sizeof(fib), 0);
	/* Before 6.4 a neighbour that is still being asked for is one. */
	if (!err && packet_mac_equal(fib.dmac, (const __u8[ETH_ALEN]){}))
		err = BPF_FIB_LKUP_RET_NO_NEIGH;
	if (err && next_hop_left_to_kernel(err, &fib, pkt)) {
		*hop = (struct next_hop){ .ifindex = fib.ifindex };
		return LOOM_CONTINUE;
	}
	if (err) {
		error_count(LOOM_ERROR_fib_lookup);
		return LOOM_DROP_NO_NEXT_HOP;
	}
	__builtin_memcpy(hop->dmac, fib.dmac, ETH_ALEN);
	__builtin_memcpy(hop->smac, fib.smac, ETH_ALEN);
	hop->ifindex = fib.ifindex;
	return LOOM_CONTINUE;
}

static __always_inline enum loom_verdict
next_hop_resolve(loom_ctx *ctx, const struct packet *pkt,
		 const struct loom_backend *backend, struct next_hop *hop)
{
	if (!(backend->flags & LOOM_BACKEND_F_NEXT_HOP))
		return next_hop_from_fib(ctx, pkt, backend, hop);
	__builtin_memcpy(hop->dmac, backend->dmac, ETH_ALEN);
	__builtin_memcpy(hop->smac, backend->smac, ETH_ALEN);
	hop->ifindex = backend->ifindex;
	return LOOM_CONTINUE;
}

static __always_inline bool next_hop_is_ingress(const struct next_hop *hop,
						const struct packet *pkt)
{
	return hop->ifindex == pkt->ingress;
}

/* Addresses, tags, ethertype: written anew, because the frame may have moved.
 * Back out of the ingress interface the frame stays in its VLAN; another
 * interface has nothing to do with those tags.
 */
static __always_inline bool next_hop_write(struct cursor *cur,
					   const struct packet *pkt,
					   const struct next_hop_frame *frame)
{
	const struct next_hop *hop = frame->hop;
	struct packet_tag *tag;
	__be16 *type;
	__u8 *macs;

	macs = cursor_take(cur, 2 * ETH_ALEN);
	if (!macs)
		return false;
	__builtin_memcpy(macs, hop->dmac, ETH_ALEN);
	__builtin_memcpy(macs + ETH_ALEN, hop->smac, ETH_ALEN);

#pragma clang loop unroll(full)
	for (int i = 0; i < PACKET_MAX_TAGS; i++) {
		if (!next_hop_is_ingress(hop, pkt) || i >= pkt->tag_count)
			break;
		tag = cursor_take(cur, sizeof(*tag));
		if (!tag)
			return false;
		*tag = pkt->tags[i];
	}

	type = cursor_take(cur, sizeof(*type));
	if (!type)
		return false;
	*type = frame->ethertype;
	return true;
}

/* Of the IP header in a frame that next_hop_open() has made. */
static __always_inline __u32 next_hop_l3_offset(const struct next_hop *hop
						__attribute__((unused)),
						const struct packet *pkt
						__attribute__((unused)))
{
#ifndef LOOM_TC
	if (next_hop_is_ingress(hop, pkt))
		return pkt->l3_offset;
#endif
	return ETH_HLEN;
}

#ifdef LOOM_TC
/* Makes room behind the Ethernet header. Tags leave the frame before, because
 * helpers cannot work with them there; transmit() puts them back. One alone in
 * the metadata may stay there for the way back out of the ingress interface. A
 * global function: the verifier walks it once, and not once per way to get
 * here. 0: done.
 */
__noinline int next_hop_reshape(loom_ctx *ctx, __u32 to_ingress, __u32 room,
				__u64 flags)
{
	const struct skb_state *skb = skb_get();
	__u32 tags = 0;

	if (skb && (skb->tags[0] || !to_ingress))
		tags = skb_tag_count();
	for (__u32 i = 0; i < SKB_MAX_TAGS; i++)
		if (i < tags && bpf_skb_vlan_pop(ctx))
			return -1;
	return room ? bpf_skb_adjust_room(ctx, room, BPF_ADJ_ROOM_MAC, flags)
		    : 0;
}

/* The flags tell the kernel how to cut and sum the packet behind the new
 * headers. TCP segments become smaller by them; datagrams must not change, and
 * encap_check_mtu() has seen that they fit.
 */
static __always_inline __u64 next_hop_room_flags(
	const struct packet *pkt, const struct next_hop_frame *frame)
{
	__u64 flags = frame->ethertype == bpf_htons(ETH_P_IP)
			      ? BPF_F_ADJ_ROOM_ENCAP_L3_IPV4
			      : BPF_F_ADJ_ROOM_ENCAP_L3_IPV6;

	if (frame->tunnel == NEXT_HOP_NO_TUNNEL)
		return 0;
	if (frame->tunnel == NEXT_HOP_TUNNEL_UDP)
		flags |= BPF_F_ADJ_ROOM_ENCAP_L4_UDP;
	if (pkt->flow.proto != IPPROTO_TCP)
		flags |= BPF_F_ADJ_ROOM_FIXED_GSO;
	return flags;
}

/* Readdresses the frame, makes room in it, and leaves cur at the first byte
 * behind the Ethernet header, which has no tags here. Other cursors are invalid
 * afterwards.
 */
static __always_inline enum loom_verdict
next_hop_open(loom_ctx *ctx, const struct packet *pkt,
	      const struct next_hop_frame *frame, struct cursor *cur)
{
	struct ethhdr *eth;

	if (next_hop_reshape(ctx, next_hop_is_ingress(frame->hop, pkt),
			     frame->room, next_hop_room_flags(pkt, frame)))
		return LOOM_DROP_NO_HEADROOM;
	*cur = cursor_init(ctx);
	eth = cursor_take(cur, sizeof(*eth));
	if (!eth)
		return LOOM_DROP_NO_HEADROOM;
	__builtin_memcpy(eth->h_dest, frame->hop->dmac, ETH_ALEN);
	__builtin_memcpy(eth->h_source, frame->hop->smac, ETH_ALEN);
	eth->h_proto = frame->ethertype;
	return LOOM_CONTINUE;
}
#else
/* Readdresses the frame, makes room in it, and leaves cur at the first byte
 * behind the Ethernet header. If there is no room the frame is as it was. Other
 * cursors are invalid afterwards.
 */
static __always_inline enum loom_verdict
next_hop_open(loom_ctx *ctx, const struct packet *pkt,
	      const struct next_hop_frame *frame, struct cursor *cur)
{
	int shift = -(int)frame->room;

	if (!next_hop_is_ingress(frame->hop, pkt))
		shift += pkt->l3_offset - ETH_HLEN;
	if (shift && bpf_xdp_adjust_head(ctx, shift))
		return LOOM_DROP_NO_HEADROOM;
	*cur = cursor_init(ctx);
	if (!next_hop_write(cur, pkt, frame))
		return LOOM_DROP_NO_HEADROOM;
	return LOOM_CONTINUE;
}
#endif
