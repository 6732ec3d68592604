/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the stages see of the packet's context. They are compiled once for XDP
 * and once for TC (loom_tc.bpf.c defines LOOM_TC), and see only loom_ctx.
 *
 * At TC the packet is an skb: only its first bytes are linear, a VLAN tag may
 * be in its metadata, it may be many segments in one (GSO), and its L4 checksum
 * may be one that the sending device has yet to fill in. The kernel's helpers
 * keep all that right as long as nothing else moves or sums bytes.
 */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#ifdef LOOM_TC
typedef struct __sk_buff loom_ctx;
#else
typedef struct xdp_md loom_ctx;
#endif

/* Where the packet came from. */
static __always_inline __u32 ctx_ingress(const loom_ctx *ctx)
{
#ifdef LOOM_TC
	return ctx->ifindex;
#else
	return ctx->ingress_ifindex;
#endif
}

/* Makes the frame's first max bytes readable, as far as there are so many.
 * Cursors are invalid afterwards. If it fails the packet is as short as it
 * looks.
 */
static __always_inline void ctx_pull(loom_ctx *ctx __attribute__((unused)),
				     __u32 max __attribute__((unused)))
{
#ifdef LOOM_TC
	bpf_skb_pull_data(ctx, ctx->len < max ? ctx->len : max);
#endif
}

/* Cuts the frame off behind len bytes, which it has. Cursors are invalid
 * afterwards. An skb of many segments is one packet from then on.
 */
static __always_inline bool ctx_cut(loom_ctx *ctx, __u32 frame_len, __u32 len)
{
#ifdef LOOM_TC
	(void)frame_len;
	return !bpf_skb_change_tail(ctx, len, 0);
#else
	int tail = len - frame_len;

	return !tail || !bpf_xdp_adjust_tail(ctx, tail);
#endif
}
