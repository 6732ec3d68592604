/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the stages see of the packet's context. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

typedef struct xdp_md loom_ctx;

/* Where the packet came from. */
static __always_inline __u32 ctx_ingress(const loom_ctx *ctx)
{
	return ctx->ingress_ifindex;
}
