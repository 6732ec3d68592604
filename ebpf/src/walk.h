/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* From the IP header to L4 where they are not next to each other: a walk with
 * an end over IPv6's extension headers (RFC 8200 4), and what says that a
 * packet is a fragment.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/in6.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "cursor.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "packet.h"
#include "scratch.h"

#define WALK_MAX_HEADERS 4
#define WALK_MAX_LEN     128

#define WALK_V6_MORE   0x0001
#define WALK_V6_OFFSET 0xfff8

/* What all extension headers begin with; none is shorter. */
struct walk_header {
	__u8 next;
	__u8 len; /* in units that differ, without a first part that differs */
	union {
		__be16 offset; /* fragment: bytes, and the M bit */
		struct {
			__u8 type;
			__u8 segments_left; /* routing */
		};
	};
	__be32 id; /* fragment */
};
_Static_assert(sizeof(struct walk_header) == 8, "RFC 8200 4");

static __always_inline bool walk_knows(__u8 proto)
{
	return proto == IPPROTO_HOPOPTS || proto == IPPROTO_ROUTING ||
	       proto == IPPROTO_FRAGMENT || proto == IPPROTO_AH ||
	       proto == IPPROTO_DSTOPTS;
}

static __always_inline __u32 walk_header_len(const struct walk_header *header,
					     __u8 proto)
{
	switch (proto) {
	case IPPROTO_FRAGMENT:
		return sizeof(*header);
	case IPPROTO_AH:
		return (header->len + 2) * 4; /* RFC 4302 2.2 */
	default:
		return (header->len + 1) * 8;
	}
}

/* False: the packet has two of these. */
static __always_inline bool walk_fragment(struct scratch *scratch,
					  const struct walk_header *header)
{
	__u16 offset = bpf_ntohs(header->offset);

	if (scratch->fragment)
		return false;
	if (offset & WALK_V6_OFFSET)
		scratch->fragment = FRAGMENT_LATER;
	else if (offset & WALK_V6_MORE)
		scratch->fragment = FRAGMENT_FIRST;
	scratch->fragment_key.id = header->id;
	return true;
}

/* Over one header, if it is inside the packet, and not only the frame. All that
 * it learns is in memory, where the verifier does not tell one way to get here
 * from the other.
 */
static __always_inline enum loom_verdict walk_step(loom_ctx *ctx,
						   struct scratch *scratch)
{
	struct packet *pkt = &scratch->pkt;
	struct cursor cur = cursor_init(ctx);
	__u32 done = pkt->l4_offset - pkt->l3_offset;
	__u8 proto = pkt->flow.proto;
	const struct walk_header *header;
	__u32 len;

	if (!cursor_skip(&cur, pkt->l4_offset))
		return LOOM_DROP_SHORT_L4;
	header = cursor_take(&cur, sizeof(*header));
	if (!header)
		return LOOM_DROP_SHORT_L4;
	len = walk_header_len(header, proto);
	if (done + len > pkt->l3_len)
		return LOOM_DROP_SHORT_L4;
	/* With segments left the VIP is not where the packet ends. */
	if (done + len - sizeof(struct ipv6hdr) > WALK_MAX_LEN ||
	    (proto == IPPROTO_ROUTING && header->segments_left) ||
	    (proto == IPPROTO_FRAGMENT && !walk_fragment(scratch, header)))
		return LOOM_PASS_EXTENSION_HEADER;
	pkt->l4_offset += len;
	pkt->flow.proto = header->next;
	/* Nor may clang keep any of it in a register. */
	asm volatile("" ::: "memory");
	return LOOM_CONTINUE;
}

/* In IPv6 the fragments of a packet need not agree on the protocol (RFC 8200
 * 4.5).
 */
static __always_inline enum loom_verdict walk_ipv6(loom_ctx *ctx,
						   struct scratch *scratch)
{
	enum loom_verdict verdict;

	scratch->fragment_key.proto = IPPROTO_FRAGMENT;
#pragma clang loop unroll(disable)
	for (int i = 0; i < WALK_MAX_HEADERS; i++) {
		if (scratch->fragment == FRAGMENT_LATER ||
		    !walk_knows(scratch->pkt.flow.proto))
			break;
		verdict = walk_step(ctx, scratch);
		if (verdict)
			return verdict;
	}
	if (scratch->fragment == FRAGMENT_LATER)
		return LOOM_CONTINUE;
	if (walk_knows(scratch->pkt.flow.proto))
		return LOOM_PASS_EXTENSION_HEADER;
	return packet_ipv6_special(scratch->pkt.flow.proto);
}

static __always_inline enum loom_verdict walk_ipv4(loom_ctx *ctx,
						   struct scratch *scratch)
{
	struct cursor cur = cursor_init(ctx);
	const struct iphdr *ip;
	__u16 offset;

	if (!cursor_skip(&cur, scratch->pkt.l3_offset))
		return LOOM_DROP_SHORT_L4;
	ip = cursor_take(&cur, sizeof(*ip));
	if (!ip)
		return LOOM_DROP_SHORT_L4;
	offset = bpf_ntohs(ip->frag_off);
	if (offset & PACKET_V4_OFFSET)
		scratch->fragment = FRAGMENT_LATER;
	else if (offset & PACKET_V4_MORE)
		scratch->fragment = FRAGMENT_FIRST;
	scratch->fragment_key.id = ip->id;
	scratch->fragment_key.proto = ip->protocol;
	return ip->protocol == IPPROTO_ICMP ? LOOM_PASS_ICMP : LOOM_CONTINUE;
}

static __always_inline enum loom_verdict walk_l3(loom_ctx *ctx,
						 struct scratch *scratch)
{
	scratch->fragment = FRAGMENT_NONE;
	scratch->fragment_key = (struct loom_fragment_key){
		.src = scratch->pkt.flow.src,
		.dst = scratch->pkt.flow.dst,
	};
	return scratch->pkt.is_v4 ? walk_ipv4(ctx, scratch)
				  : walk_ipv6(ctx, scratch);
}

static __always_inline enum loom_verdict walk_l4(loom_ctx *ctx,
						 struct scratch *scratch)
{
	struct packet *pkt = &scratch->pkt;
	struct cursor cur = cursor_init(ctx);
	enum loom_verdict verdict;

	if (scratch->fragment == FRAGMENT_LATER)
		return LOOM_CONTINUE;
	if (!cursor_skip(&cur, pkt->l4_offset))
		return LOOM_DROP_SHORT_L4;
	verdict =
		packet_parse_l4(&cur, pkt, scratch->fragment == FRAGMENT_NONE);
	/* No L4 checksum covers fragments or extension headers. */
	pkt->summed = false;
	return verdict;
}

/* Corrects and completes what the hot path's parser left in scratch->pkt, and
 * returns what is special about it, an enum loom_verdict. Of an echo or an
 * error in pieces none has a port to follow.
 */
__noinline int walk(loom_ctx *ctx)
{
	struct scratch *scratch = scratch_get();
	enum loom_verdict verdict;

	if (!scratch)
		return LOOM_DROP_SHORT_L4;
	verdict = walk_l3(ctx, scratch);
	if (verdict == LOOM_PASS_ICMP && scratch->fragment)
		return LOOM_DROP_FRAGMENT_UNKNOWN;
	if (verdict == LOOM_PASS_EXTENSION_HEADER &&
	    loom_config.features & LOOM_FEATURE_DROP_EXTENSION_HEADERS)
		return LOOM_DROP_EXTENSION_HEADER;
	return verdict ? verdict : walk_l4(ctx, scratch);
}
