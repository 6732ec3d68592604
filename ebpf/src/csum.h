/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Internet checksums (RFC 1071), whole and incremental (RFC 1624).
 *
 * A sum here is a __u64 of 32-bit words as they lie in memory. Ones' complement
 * sums do not care about byte order (RFC 1071 2.B), so nothing is swapped, and
 * 2^32 words fit before one is lost.
 */
#pragma once

#include <linux/ip.h>
#include <linux/types.h>
#include <bpf/bpf_helpers.h>

/* len must be a compile-time constant and a multiple of 4. */
static __always_inline __u64 csum_words(const void *data, __u32 len)
{
	const __u32 *word = data;
	__u64 sum = 0;

#pragma clang loop unroll(full)
	for (__u32 i = 0; i < len / sizeof(*word); i++)
		sum += word[i];
	return sum;
}

/* To 16 bits, not inverted. */
static __always_inline __u16 csum_fold(__u64 sum)
{
	sum = (sum & 0xffffffff) + (sum >> 32); /* <= 0x1fffffffe */
	sum = (sum & 0xffffffff) + (sum >> 32); /* <= 0xffffffff */
	sum = (sum & 0xffff) + (sum >> 16);     /* <= 0x1fffe */
	sum = (sum & 0xffff) + (sum >> 16);     /* <= 0xffff */
	return sum;
}

/* The checksum field after words that add up to removed were replaced by words
 * that add up to added: HC' = ~(~HC + ~m + m'), RFC 1624 equation 3.
 */
static __always_inline __sum16 csum_replace(__sum16 check, __u64 removed,
					    __u64 added)
{
	__u64 sum = (__u16)~check;

	sum += (__u16)~csum_fold(removed);
	sum += added;
	return ~csum_fold(sum);
}

/* Of a header without options whose check field is zero. */
static __always_inline __sum16 csum_ipv4(const struct iphdr *ip)
{
	return ~csum_fold(csum_words(ip, sizeof(*ip)));
}
