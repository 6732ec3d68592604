/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the bytes of a packet add up to. */
#pragma once

#include <linux/bpf.h>
#include <linux/ipv6.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "csum.h"
#include "ctx.h"
#include "cursor.h"
#include "packet.h"

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
	struct cursor cur;
	const void *chunk;
	__s64 sum;

	if (len > ENCAP_SUM_MAX)
		return -1;
	ctx_pull(ctx, offset + len);
	cur = cursor_init(ctx);
	if (!cursor_skip(&cur, offset + len - tail))
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
