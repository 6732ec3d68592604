/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The cursor: the only code that compares with the end of a packet. */
#pragma once

#include <linux/bpf.h>
#include <stdbool.h>
#include <stddef.h>
#include <bpf/bpf_helpers.h>

#include "ctx.h"

/* The unparsed rest of a packet. Invalid after a helper that moves or pulls
 * bytes.
 */
struct cursor {
	void *pos;
	void *end;
};

static __always_inline struct cursor cursor_init(const loom_ctx *ctx)
{
	return (struct cursor){
		.pos = (void *)(long)ctx->data,
		.end = (void *)(long)ctx->data_end,
	};
}

/* The next len bytes, consumed; NULL, with nothing consumed, if they are not
 * all there. len must be a compile-time constant, or the verifier loses the
 * bound. Test each result before the next take: two takes behind one test lose
 * it as well.
 */
static __always_inline void *cursor_take(struct cursor *cur, __u32 len)
{
	void *start = cur->pos;
	void *next = start + len;

	/* Keeps clang from moving the constant to the other side, where the
	 * verifier sees forbidden arithmetic on the end of the packet.
	 */
	asm volatile("" : "+r"(next));
	if (next > cur->end)
		return NULL;
	cur->pos = next;
	return start;
}

#define CURSOR_MAX_SKIP 0x3fffu

/* Leaves out len <= CURSOR_MAX_SKIP bytes; false, with nothing consumed, if
 * they are not all there. Here len may vary.
 */
static __always_inline bool cursor_skip(struct cursor *cur, __u32 len)
{
	/* The verifier wants an upper bound on the register that is added. The
	 * barrier keeps clang from dropping a mask it can prove redundant where
	 * the verifier cannot.
	 */
	asm volatile("" : "+r"(len));
	len &= CURSOR_MAX_SKIP;
	if (cur->pos + len > cur->end)
		return false;
	cur->pos += len;
	return true;
}
