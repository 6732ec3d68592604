/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The ring of a service: which backend a flow without memory belongs to. */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "flow.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"

/* Multiplication instead of a division: the hash is 32 good bits. */
static __always_inline __u32 ring_slot(const struct loom_flow *flow)
{
	return (__u64)flow_hash(flow) * loom_config.ring_size >> 32;
}

static __always_inline enum loom_verdict
ring_lookup(__u32 service_id, const struct loom_flow *flow, __u32 *backend_id)
{
	void *ring = bpf_map_lookup_elem(&loom_rings, &service_id);
	const loom_slot *slot;
	__u32 key;

	if (!ring)
		return LOOM_DROP_NO_BACKEND;
	key = ring_slot(flow);
	slot = bpf_map_lookup_elem(ring, &key);
	if (!slot)
		return LOOM_DROP_NO_BACKEND;
	*backend_id = LOOM_SLOT_CURRENT(*slot);
	return *backend_id ? LOOM_CONTINUE : LOOM_DROP_NO_BACKEND;
}
