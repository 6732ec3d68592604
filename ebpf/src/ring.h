/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ring of a service: which backend a flow without memory belongs to. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "loom/abi.h"
#include "maps.h"

/* Multiplication instead of a division: the hash is 32 good bits. */
static __always_inline __u32 ring_slot(__u32 hash)
{
	return (__u64)hash * loom_config.ring_size >> 32;
}

/* The next slot in turn. Every CPU counts by itself, from its own number on: an
 * atomic counter whose result is used needs kernel 5.12, and would bounce.
 */
static __always_inline __u32 ring_turn(__u32 service_id)
{
	__u32 *turn = bpf_map_lookup_elem(&loom_rotors, &service_id);

	if (!turn)
		return 0;
	return ((*turn)++ + bpf_get_smp_processor_id()) % loom_config.ring_size;
}

/* The slot's owners; all 0, which is nobody, where there is no ring. */
static __always_inline loom_slot ring_lookup(__u32 service_id, __u32 slot)
{
	void *ring = bpf_map_lookup_elem(&loom_rings, &service_id);
	const loom_slot *owners;

	if (!ring)
		return 0;
	owners = bpf_map_lookup_elem(ring, &slot);
	return owners ? *owners : 0;
}
