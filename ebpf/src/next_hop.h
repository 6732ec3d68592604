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

#define NEXT_HOP_AF_INET  2 /* <sys/socket.h> is not for BPF */
#define NEXT_HOP_AF_INET6 10

struct next_hop {
	__u8 dmac[ETH_ALEN];
	__u8 smac[ETH_ALEN];
	__u32 ifindex;
};

/* What next_hop_open() makes of a frame. */
struct next_hop_frame {
	const struct next_hop *hop;
	__u32 room;       /* bytes between the Ethernet and the old IP header */
	__be16 ethertype; /* of what starts there */
};

/* Asks the kernel, with the routes of the ingress interface's namespace. */
static __always_inline enum loom_verdict
next_hop_from_fib(loom_ctx *ctx, const struct loom_backend *backend,
		  struct next_hop *hop)
{
	struct bpf_fib_lookup fib = { .ifindex = ctx_ingress(ctx) };

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
	if (bpf_fib_lookup(ctx, &fib, sizeof(fib), 0)) {
		error_count(LOOM_ERROR_fib_lookup);
		return LOOM_DROP_NO_NEXT_HOP;
	}
	__builtin_memcpy(hop->dmac, fib.dmac, ETH_ALEN);
	__builtin_memcpy(hop->smac, fib.smac, ETH_ALEN);
	hop->ifindex = fib.ifindex;
	return LOOM_CONTINUE;
}

static __always_inline enum loom_verdict
next_hop_resolve(loom_ctx *ctx, const struct loom_backend *backend,
		 struct next_hop *hop)
{
	if (!(backend->flags & LOOM_BACKEND_F_NEXT_HOP))
		return next_hop_from_fib(ctx, backend, hop);
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
