/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Addresses: both families in 16 bytes, so that all later code knows only one.
 */
#pragma once

#include <linux/in6.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "loom/abi.h"

static __always_inline struct loom_addr addr_from_v4(__be32 addr)
{
	return (struct loom_addr){ { 0, 0, bpf_htonl(0xffff), addr } };
}

static __always_inline struct loom_addr
addr_from_v6(const struct in6_addr *addr)
{
	struct loom_addr out;

	__builtin_memcpy(&out, addr, sizeof(out));
	return out;
}

static __always_inline bool addr_is_v4(const struct loom_addr *addr)
{
	return !addr->w[0] && !addr->w[1] && addr->w[2] == bpf_htonl(0xffff);
}

/* An IPv4 address is never zero here: its third word is not. */
static __always_inline bool addr_is_zero(const struct loom_addr *addr)
{
	return !(addr->w[0] | addr->w[1] | addr->w[2] | addr->w[3]);
}

static __always_inline bool addr_equal(const struct loom_addr *a,
				       const struct loom_addr *b)
{
	return !((a->w[0] ^ b->w[0]) | (a->w[1] ^ b->w[1]) |
		 (a->w[2] ^ b->w[2]) | (a->w[3] ^ b->w[3]));
}
