/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the functions and programs that one packet runs through hand to each
 * other in memory: global functions take only numbers, tail calls nothing.
 */
#pragma once

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "loom/abi.h"
#include "loom/verdict.h"
#include "next_hop.h"
#include "packet.h"

/* The packet that an ICMP error is about. */
struct scratch_quote {
	struct loom_flow flow; /* as it is written there */
	__u32 ip_len;          /* its IP header with options or extensions */
	__u32 len;             /* what there is of it */
};

enum fragment_kind {
	FRAGMENT_NONE,  /* a whole packet */
	FRAGMENT_FIRST, /* has the L4 header */
	FRAGMENT_LATER, /* has no ports */
};

struct scratch {
	enum loom_verdict verdict; /* of balance(): why there is more to do */
	__u32 backend;             /* and the id that it chose, if any */
	struct packet pkt;
	enum fragment_kind fragment;
	struct loom_fragment_key fragment_key; /* unless it is whole */
	struct loom_fragment first; /* what the first fragment leaves behind */
	struct scratch_quote quote;
	struct loom_flow outer; /* translated: how the error leaves, */
	struct loom_flow inner; /* and what it quotes then */
	struct next_hop hop;
};

/* Datapath writes; nothing of it outlives one packet. One per CPU: nothing else
 * runs the programs there meanwhile.
 */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} loom_later SEC(".maps");

static __always_inline struct scratch *scratch_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&loom_later, &zero);
}

/* A copy that the compiler knows the family of: what differs by family is then
 * compiled, and verified, once for each, and not once for every mix.
 */
static __always_inline struct packet
scratch_packet(const struct scratch *scratch, bool is_v4)
{
	struct packet pkt = scratch->pkt;

	pkt.is_v4 = is_v4;
	return pkt;
}
