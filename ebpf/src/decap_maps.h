/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Every map of loom_decap, and its configuration; who writes is part of the
 * contract.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "loom/decap.h"

const volatile struct loom_decap_config loom_decap_settings = {};

/* User space writes. The balancers whose tunnels end here. */
struct {
	__uint(type, BPF_MAP_TYPE_LPM_TRIE);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LOOM_DECAP_MAX_SOURCES);
	__type(key, struct loom_decap_prefix);
	__type(value, __u32);
} loom_decap_sources SEC(".maps");

/* User space writes. The services of which this host is a backend. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LOOM_DECAP_MAX_VIPS);
	__type(key, struct loom_addr);
	__type(value, __u32);
} loom_decap_vips SEC(".maps");

/* User space writes. The addresses of this host. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(map_flags, BPF_F_NO_PREALLOC);
	__uint(max_entries, LOOM_DECAP_MAX_LOCALS);
	__type(key, struct loom_addr);
	__type(value, __u32);
} loom_decap_locals SEC(".maps");

/* Programs write. Indexed by enum loom_decap_verdict. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, LOOM_DECAP_VERDICT_SLOTS);
	__type(key, __u32);
	__type(value, struct loom_decap_counter);
} loom_decap_verdicts SEC(".maps");
