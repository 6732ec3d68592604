/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What offloads leave open in an skb: where it will be cut, and a checksum that
 * is not filled in yet. XDP sees neither.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>

#include "ctx.h"
#include "cursor.h"
#include "packet.h"
#include "skb.h"

/* Several packets in one skb, which leaves as segments. */
static __always_inline bool packet_is_gso(const struct packet *pkt
					  __attribute__((unused)))
{
#ifdef LOOM_TC
	return skb_gso_size();
#else
	return false;
#endif
}

/* The largest IP packet on the wire with overhead bytes in front of it. The
 * kernel makes TCP's segments smaller by what is put in front of them.
 */
static __always_inline __u32 packet_wire_len(const struct packet *pkt,
					     __u32 overhead)
{
#ifdef LOOM_TC
	__u32 gso_size = skb_gso_size();

	if (gso_size) {
		if (pkt->flow.proto == IPPROTO_TCP)
			overhead = 0;
		return pkt->l4_offset - pkt->l3_offset + skb_l4_header() +
		       gso_size + overhead;
	}
#endif
	return pkt->l3_len + overhead;
}

#ifdef LOOM_TC
static __always_inline __sum16 *offload_check(loom_ctx *ctx, __u32 offset)
{
	struct cursor cur = cursor_init(ctx);

	return cursor_skip(&cur, offset) ? cursor_take(&cur, sizeof(__sum16))
					 : NULL;
}

/* If the device that sends the packet is to fill in its L4 checksum: what its
 * L4 bytes will add up to, however many of them are left; else negative. Only
 * the kernel knows, and it can be asked: it updates such a checksum for
 * addresses and not for anything else. The packet is then as it was.
 */
static __always_inline int offload_pending_sum(loom_ctx *ctx,
					       const struct packet *pkt)
{
	__u32 offset = pkt->l4_offset;
	__sum16 *check, old;
	bool pending;

	if (pkt->flow.proto == IPPROTO_TCP)
		offset += offsetof(struct tcphdr, check);
	else if (pkt->flow.proto == IPPROTO_UDP)
		offset += offsetof(struct udphdr, check);
	else
		return -1;
	check = offload_check(ctx, offset);
	if (!check)
		return -1;
	old = *check;
	if (bpf_l4_csum_replace(ctx, offset, 0, 1, 0))
		return -1;
	check = offload_check(ctx, offset);
	if (!check)
		return -1;
	pending = *check == old;
	*check = old;
	/* The checksum will cancel all but the pseudo-header it stands for. */
	return pending ? (__u16)~old : -1;
}
#else
static __always_inline int offload_pending_sum(loom_ctx *ctx
					       __attribute__((unused)),
					       const struct packet *pkt
					       __attribute__((unused)))
{
	return -1;
}
#endif
