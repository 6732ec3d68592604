/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map of the datapath, but that of scratch.h; a map's name is also its
 * pin's name. Who writes it and how long it lives are part of its contract.
 *
 * Pinned maps outlive the daemon and its upgrades: a restart adopts them if
 * loom_meta says that their layout is ours.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/errno.h>
#include <bpf/bpf_helpers.h>

#include "loom/abi.h"
#include "loom/verdict.h"

/* Sizes as compiled; the daemon sets those that depend on the configuration
 * before it loads.
 */
#define MAPS_DEFAULT_BACKENDS  10001 /* id 0 is nobody */
#define MAPS_DEFAULT_FLOWS     262144
#define MAPS_DEFAULT_PROBATION 131072
#define MAPS_FRAGMENTS         65536
#define MAPS_MAX_EGRESS        1024

/* Daemon writes, at start. What the other pins are; not read here. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct loom_meta);
} loom_meta SEC(".maps");

/* Daemon writes, while traffic flows. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32);
	__type(value, struct loom_settings);
} loom_settings SEC(".maps");

/* Daemon writes: after everything the VIP needs, and removed before it. An
 * address here is ours; all others belong to the stack.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LOOM_MAX_VIPS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct loom_addr);
	__type(value, struct loom_vip);
} loom_vips SEC(".maps");

/* Daemon writes: after the service and its ring, and removed before them. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, LOOM_MAX_LISTENERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct loom_listener_key);
	__type(value, struct loom_listener);
} loom_listeners SEC(".maps");

/* Daemon writes, following link events. Slot = ifindex % LOOM_INTERFACE_SLOTS;
 * an entry is good only for the ifindex it names.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOOM_INTERFACE_SLOTS);
	__type(key, __u32);
	__type(value, struct loom_interface);
} loom_interfaces SEC(".maps");

/* Daemon writes. All zero where the service id is free. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOOM_MAX_SERVICES);
	__type(key, __u32); /* service id */
	__type(value, struct loom_service);
} loom_services SEC(".maps");

/* Daemon writes, a whole ring at a time: it fills a new inner map through mmap
 * and then replaces the old one, so a packet sees one ring or the other, never
 * half of each. All rings have loom_config.ring_size slots: inner maps of
 * different sizes would cost the inlined look-up.
 */
struct loom_ring {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOOM_DEFAULT_RING_SIZE);
	__uint(map_flags, BPF_F_MMAPABLE);
	__type(key, __u32); /* slot */
	__type(value, loom_slot);
};

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, LOOM_MAX_SERVICES);
	__type(key, __u32); /* service id */
	__array(values, struct loom_ring);
} loom_rings SEC(".maps");

/* Daemon writes: before a ring names the id. Id 0 stays all zero. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAPS_DEFAULT_BACKENDS);
	__type(key, __u32); /* backend id */
	__type(value, struct loom_backend);
} loom_backends SEC(".maps");

/* Datapath writes; the daemon reads, and writes only while it moves flows into
 * a new layout. A full table evicts the least recently used flow. Only flows
 * that a second packet has confirmed come here.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAPS_DEFAULT_FLOWS);
	__type(key, struct loom_flow);
	__type(value, struct loom_flow_entry);
} loom_flows SEC(".maps");

/* As loom_flows, for flows of which one packet was seen: a flood of those fills
 * this table and not the other.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAPS_DEFAULT_PROBATION);
	__type(key, struct loom_flow);
	__type(value, struct loom_flow_entry);
} loom_probation SEC(".maps");

/* Datapath writes. Where the other fragments of a packet go; good for
 * loom_config.fragment_timeout, so that a migration leaves it behind.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, MAPS_FRAGMENTS);
	__type(key, struct loom_fragment_key);
	__type(value, struct loom_fragment);
} loom_fragments SEC(".maps");

/* Datapath writes. How many flows this CPU has given out in turn. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOOM_MAX_SERVICES);
	__type(key, __u32); /* service id */
	__type(value, __u32);
} loom_rotors SEC(".maps");

/* Datapath writes and forgets. Where an entry is put together: it would take a
 * fifth of the stack.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct loom_flow_entry);
} loom_draft SEC(".maps");

/* Daemon writes: before a backend names the entry, and clears it afterwards. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 4096);
	__type(key, __u32);
	__type(value, struct loom_addr);
} loom_sources SEC(".maps");

/* Daemon writes, as it does loom_listeners. Looked up for addresses with
 * LOOM_VIP_F_RANGES only.
 */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(max_entries, LOOM_MAX_LISTENERS);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__type(key, struct loom_range_key);
	__type(value, struct loom_listener);
} loom_port_ranges SEC(".maps");

/* Datapath writes, finish() only; never reset. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOOM_VERDICT_MAX);
	__type(key, __u32); /* enum loom_verdict */
	__type(value, struct loom_counter);
} loom_verdicts SEC(".maps");

/* Datapath writes, finish() only. The daemon zeroes an entry when the id is
 * released, after adding it to the service's retired counts.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, MAPS_DEFAULT_BACKENDS);
	__type(key, __u32); /* backend id */
	__type(value, struct loom_counter);
} loom_backend_counters SEC(".maps");

/* Datapath writes; never reset. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOOM_ERROR_MAX);
	__type(key, __u32); /* enum loom_error */
	__type(value, __u64);
} loom_errors SEC(".maps");

/* Daemon only: what earlier programs counted in maps of an earlier layout. What
 * users see is the sum.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOOM_VERDICT_MAX);
	__type(key, __u32); /* enum loom_verdict */
	__type(value, struct loom_counter);
} loom_verdict_carry SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAPS_DEFAULT_BACKENDS);
	__type(key, __u32); /* backend id */
	__type(value, struct loom_counter);
} loom_backend_carry SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOOM_ERROR_MAX);
	__type(key, __u32); /* enum loom_error */
	__type(value, __u64);
} loom_error_carry SEC(".maps");

/* Datapath writes. What it may still answer by itself this second. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct loom_bucket);
} loom_buckets SEC(".maps");

/* Daemon writes, following link events. Where redirected packets may leave; an
 * interface that goes away takes its entry with it. The value is the u32 form
 * because struct bpf_devmap_val buys us nothing on an egress without program.
 */
struct {
	__uint(type, BPF_MAP_TYPE_DEVMAP_HASH);
	__uint(max_entries, MAPS_MAX_EGRESS);
	__type(key, __u32);   /* ifindex */
	__type(value, __u32); /* ifindex */
} loom_egress SEC(".maps");

/* Daemon writes and reads; not read here. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, LOOM_MAX_SERVICES);
	__type(key, __u32); /* service id */
	__type(value, struct loom_service_info);
} loom_service_info SEC(".maps");

/* Daemon writes and reads; not read here. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, MAPS_DEFAULT_BACKENDS);
	__type(key, __u32); /* backend id */
	__type(value, struct loom_backend_info);
} loom_backend_info SEC(".maps");

/* loom_clock writes, when the daemon runs it. Not pinned. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct loom_clock);
} loom_clock_value SEC(".maps");

/* Fixed at load by the daemon. The timeouts below assume HZ = 250; it measures
 * the real one with loom_clock.
 */
#define MAPS_DEFAULT_HZ 250

const volatile struct loom_config loom_config = {
	.timeout = {
		[LOOM_STATE_SYN_SENT] = 30 * MAPS_DEFAULT_HZ,
		[LOOM_STATE_SYN_RECV] = 30 * MAPS_DEFAULT_HZ,
		[LOOM_STATE_ESTABLISHED] = 300 * MAPS_DEFAULT_HZ,
		[LOOM_STATE_FIN_WAIT] = 60 * MAPS_DEFAULT_HZ,
		[LOOM_STATE_TIME_WAIT] = 120 * MAPS_DEFAULT_HZ,
		[LOOM_STATE_UDP] = 60 * MAPS_DEFAULT_HZ,
	},
	.ring_size = LOOM_DEFAULT_RING_SIZE,
	.nat_port_min = 1024,
	.nat_port_max = 32767,
	.answer_rate = 1000,
	.fragment_timeout = 30 * MAPS_DEFAULT_HZ,
	.hz = MAPS_DEFAULT_HZ,
};

/* For what went wrong without deciding the packet's fate. */
static __always_inline void error_count(enum loom_error error)
{
	__u32 key = error;
	__u64 *count = bpf_map_lookup_elem(&loom_errors, &key);

	if (count)
		(*count)++;
}

/* For what the update of a table that traffic fills came to. */
static __always_inline void error_count_update(int err)
{
	switch (err) {
	case 0:
	case -EEXIST:
		break;
	case -E2BIG:
	case -ENOMEM:
	case -ENOSPC:
		error_count(LOOM_ERROR_map_full);
		break;
	default: /* EBUSY; EDEADLK and ETIMEDOUT since 6.15 */
		error_count(LOOM_ERROR_map_busy);
	}
}
