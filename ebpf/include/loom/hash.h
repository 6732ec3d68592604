/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The flow hash, for both sides: it decides a flow's slot, and balancers behind
 * one VIP must agree on it.
 */
#pragma once

#ifdef __cplusplus
extern "C" {
#endif

#include <linux/types.h>

/* Every bit of the words decides: the shift in the loop spreads what a
 * word brings in its high bits to where the next multiplication takes it up.
 * Not keyed: who can choose addresses can choose a slot.
 */
static inline __attribute__((always_inline)) __u64
loom_hash_words(const __u64 *word, __u32 count)
{
	__u64 hash = 0x9e3779b97f4a7c15ull;

#ifdef __clang__
#pragma clang loop unroll(full)
#endif
	for (__u32 i = 0; i < count; i++) {
		hash = (hash ^ word[i]) * 0xbf58476d1ce4e5b9ull;
		hash ^= hash >> 32;
	}
	hash = (hash ^ hash >> 29) * 0x94d049bb133111ebull;
	return hash >> 32;
}

#ifdef __cplusplus
}
#endif
