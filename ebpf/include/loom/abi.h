/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Everything that crosses the border between the BPF programs and the daemon:
 * map keys, map values, limits, and the configuration fixed at load.
 *
 * Rules: fixed-width types; padding is spelled out and zero; the size of every
 * struct is asserted; addresses and ports are in network byte order, all other
 * numbers in host order; times are in jiffies (bpf_jiffies64) unless the name
 * says otherwise. An id of 0 is nobody.
 *
 * A value struct may grow at its end only: migration to a new layout copies the
 * common prefix and zeroes the rest. LOOM_ABI_VERSION counts layouts.
 */
#pragma once

#include <linux/types.h>

#ifndef __cplusplus
#define static_assert _Static_assert
#endif

#define LOOM_ABI_VERSION 1u
#define LOOM_ABI_MAGIC   0x6d6f6f6cu /* "loom" */

#define LOOM_MAX_BACKENDS      32768u /* ids fit in 15 bits of a ring entry */
#define LOOM_MAX_SERVICES      4096u
#define LOOM_MAX_LISTENERS     65536u /* (vip, port, protocol) triples */
#define LOOM_MAX_VIPS          16384u
#define LOOM_INTERFACE_SLOTS   1024u /* slot = ifindex % LOOM_INTERFACE_SLOTS */
#define LOOM_DEFAULT_RING_SIZE 65537u /* prime, as Maglev needs */
#define LOOM_NAME_SIZE         72u    /* with the terminating zero */

/* An IPv6 address, or an IPv4 address as ::ffff:a.b.c.d (RFC 4291 2.5.5.2). */
struct loom_addr {
	__be32 w[4];
};
static_assert(sizeof(struct loom_addr) == 16, "ABI");

/* ---- whose packet is it ---------------------------------------------- */

/* Ports without a service: with F_PASS_UNSERVED to the stack, else dropped.
 * ICMP echo: with neither F_ECHO flag to the stack. F_RANGES: loom_port_ranges
 * has entries for the address.
 */
#define LOOM_VIP_F_SERVICE       1u /* services listen on this address */
#define LOOM_VIP_F_NAT           2u /* NAT replies arrive at this address */
#define LOOM_VIP_F_PASS_UNSERVED 4u
#define LOOM_VIP_F_ECHO_REPLY    8u
#define LOOM_VIP_F_ECHO_DROP     16u
#define LOOM_VIP_F_RANGES        32u

struct loom_vip {
	__u32 flags;
	__u32 pad;
};
static_assert(sizeof(struct loom_vip) == 8, "ABI");

/* Key of a listener; the value is struct loom_listener. */
struct loom_listener_key {
	struct loom_addr vip;
	__be16 port;
	__u8 proto;
	__u8 pad;
};
static_assert(sizeof(struct loom_listener_key) == 20, "ABI");

#define LOOM_LISTENER_F_PASS 1u /* passthrough: counted, then to the stack */

struct loom_listener {
	__u32 service; /* service id */
	__u32 flags;
};
static_assert(sizeof(struct loom_listener) == 8, "ABI");

/* Key of a port range or wildcard; the value is struct loom_listener. A range
 * is stored as the fewest prefixes of port numbers that cover it, a wildcard as
 * the empty prefix, so the longest match is the most specific one.
 */
#define LOOM_RANGE_PREFIX 144u /* bits before the port: vip, pad, proto */

struct loom_range_key {
	__u32 prefixlen; /* LOOM_RANGE_PREFIX + 0 to 16 */
	struct loom_addr vip;
	__u8 pad;
	__u8 proto;
	__be16 port;
};
static_assert(sizeof(struct loom_range_key) == 24, "ABI");

/* One per interface the datapath is attached to. */
#define LOOM_EXTRA_MACS 4u

/* F_XDP: loom_tc acts only on what loom_xdp marked. F_TC: there is a loom_tc to
 * mark packets for. F_PARTIAL: L4 checksums may not be filled in yet.
 */
#define LOOM_INTERFACE_F_XDP     1u
#define LOOM_INTERFACE_F_TC      2u
#define LOOM_INTERFACE_F_PARTIAL 4u

struct loom_interface {
	__u32 ifindex; /* 0: empty slot */
	__u8 mac[6];   /* only frames to this address are balanced, */
	__u8 extra_count;
	__u8 flags;
	__u8 extra[LOOM_EXTRA_MACS][6]; /* or to one of these (VRRP) */
};
static_assert(sizeof(struct loom_interface) == 36, "ABI");

/* Metadata in front of a frame that loom_xdp leaves to loom_tc. It may stay on
 * the skb after its interface: it means something only where it was put on.
 */
#define LOOM_MARK_MAGIC 0x70756d6cu /* "lmup" */

struct loom_mark {
	__u32 magic;
	__u32 ifindex;
};
static_assert(sizeof(struct loom_mark) == 8, "ABI");

/* ---- services and backends ------------------------------------------- */

enum loom_forwarding {
	LOOM_FORWARD_NONE = 0,
	LOOM_FORWARD_NAT = 1,
	LOOM_FORWARD_IPIP = 2,
	LOOM_FORWARD_GUE = 3,
	LOOM_FORWARD_L2 = 4,
};

/* How a slot of the ring is picked for a new flow. */
enum loom_algorithm {
	LOOM_ALGORITHM_MAGLEV = 0, /* by hash */
	LOOM_ALGORITHM_ROTOR = 1,  /* in turn: round robin, weighted */
};

/* What makes packets belong together. */
enum loom_affinity {
	LOOM_AFFINITY_FIVE_TUPLE = 0,
	LOOM_AFFINITY_SOURCE_IP = 1, /* a client keeps its backend */
	LOOM_AFFINITY_NONE = 2,      /* the ring alone: nothing is remembered */
};

enum loom_no_backend {
	LOOM_NO_BACKEND_DROP = 0,
	LOOM_NO_BACKEND_REJECT = 1, /* RST or ICMP port unreachable */
	LOOM_NO_BACKEND_PASS = 2,
};

struct loom_service {
	__u8 forwarding; /* enum loom_forwarding; 0: no such service */
	__u8 algorithm;
	__u8 affinity;
	__u8 on_no_backend;
	__u32 flags;
};
static_assert(sizeof(struct loom_service) == 8, "ABI");

#define LOOM_SERVICE_F_AT_RISK \
	1u /* only flows of flagged slots are in a table */

#define LOOM_BACKEND_F_NEXT_HOP       1u /* MACs, ifindex, mtu, source valid */
#define LOOM_BACKEND_F_DOWN           2u /* its flows choose another backend */
#define LOOM_BACKEND_F_UDP6_ZERO_CSUM 4u /* GUE over v6 without checksum */
#define LOOM_BACKEND_F_LOCAL          8u /* an address of this host: to the stack */

/* One member of one service: everything needed to send to it, in two cache
 * lines. Index is the backend id; all zero where the id is free.
 */
struct loom_backend {
	struct loom_addr addr;
	struct loom_addr source; /* outer source, or the NAT address */
	__u8 dmac[6];            /* of the next hop */
	__u8 smac[6];            /* of the egress interface */
	__u32 ifindex;           /* egress */
	__u32 generation; /* never the same twice for one id; flows carry it */
	__u32 service;    /* service id */
	__u16 mtu;        /* egress MTU: largest IP packet, in bytes */
	__be16 port; /* NAT: destination port; 0 keeps the packet's. GUE: outer
		      */
	__u8 forwarding; /* enum loom_forwarding; 0: free */
	__u8 flags;
	__u8 pad[2];
	__u16 source_first; /* DSR: with source_count > 0 the outer source is
			       one */
	__u16 source_count; /* of these entries of loom_sources, by flow hash */
	__u32 reserved0;
	__u8 reserved[56];
};
static_assert(sizeof(struct loom_backend) == 128, "ABI");

/* One slot of a ring. */
typedef __u32 loom_slot;
#define LOOM_SLOT_CURRENT(slot)  ((slot)&0x7fffu)
#define LOOM_SLOT_PREVIOUS(slot) (((slot) >> 15) & 0x7fffu)
#define LOOM_SLOT_FLAGGED(slot)  ((slot) >> 30 & 1u)

/* Daemon only, one map per ring: who owned its slots before. Entry 0 has in
 * `until` how long all slots are flagged; the others follow, oldest first
 * within a slot.
 */
struct loom_past {
	__u64 until; /* of CLOCK_MONOTONIC, ms */
	__u32 slot;
	__u32 owner; /* backend id */
};
static_assert(sizeof(struct loom_past) == 16, "ABI");

/* ---- flows ------------------------------------------------------------ */

/* A 5-tuple exactly as the packet carries it. */
struct loom_flow {
	struct loom_addr src;
	struct loom_addr dst;
	__be16 sport;
	__be16 dport;
	__u8 proto;
	__u8 pad[3];
};
static_assert(sizeof(struct loom_flow) == 40, "ABI");

enum loom_state {
	LOOM_STATE_NONE = 0,
	LOOM_STATE_SYN_SENT = 1,
	LOOM_STATE_SYN_RECV = 2,
	LOOM_STATE_ESTABLISHED = 3,
	LOOM_STATE_FIN_WAIT = 4,
	LOOM_STATE_TIME_WAIT = 5,
	LOOM_STATE_UDP = 6,
	LOOM_STATE_MAX = 7,
};

#define LOOM_FLOW_F_REPLY 1u /* key is the backend's direction (NAT only) */
#define LOOM_FLOW_F_CONTESTED \
	2u /* loom_probation may have a SYN of this name */

struct loom_flow_entry {
	struct loom_flow other; /* NAT: the other direction's key; else zero */
	__u64 created;
	__u64 seen;
	__u64 packets;    /* of this direction */
	__u64 bytes;      /* of this direction: frame bytes as received */
	__u32 backend;    /* backend id */
	__u32 generation; /* of that backend when the flow chose it */
	__u8 state;       /* enum loom_state */
	__u8 flags;
	__u8 peer_mac[6];   /* NAT: the hop the client's packets came from */
	__u32 peer_ifindex; /* NAT: and the interface; replies go back there */
	__be32 syn_seq;     /* of the SYN that made the entry; else zero */
#ifdef LOOM_TEST_ABI_EXTRA
	__u64 test_extra; /* a release with one more field, for the upgrade test
			   */
#endif
};
#ifndef LOOM_TEST_ABI_EXTRA
static_assert(sizeof(struct loom_flow_entry) == 96, "ABI");
#endif

/* Later fragments follow the first, which alone has ports. */
struct loom_fragment_key {
	struct loom_addr src;
	struct loom_addr dst;
	__be32 id;
	__u8 proto;
	__u8 pad[3];
};
static_assert(sizeof(struct loom_fragment_key) == 40, "ABI");

#define LOOM_FRAGMENT_F_REPLY 1u /* of a NAT backend's reply */

struct loom_fragment {
	struct loom_addr src; /* NAT: as it leaves; else zero */
	struct loom_addr dst;
	__u64 seen;
	__u32 backend; /* backend id */
	__u32 generation;
	__u32 peer_ifindex; /* reply: where the client is */
	__u8 peer_mac[6];
	__u8 flags;
	__u8 pass; /* enum loom_verdict, where the stack got the first; or 0 */
};
static_assert(sizeof(struct loom_fragment) == 64, "ABI");

/* ---- counters ---------------------------------------------------------- */

struct loom_counter {
	__u64 packets;
	__u64 rx_bytes; /* frame length as received */
	__u64 tx_bytes; /* frame length as sent; 0 where nothing was sent */
	__u64 flows;    /* backends only: flows that chose this backend */
};
static_assert(sizeof(struct loom_counter) == 32, "ABI");

/* ---- what only the daemon reads and writes ----------------------------- */

/* Makes a restart able to adopt: who holds which id. */
struct loom_service_info {
	char name[LOOM_NAME_SIZE]; /* empty: id is free */
	__u64 ring_digest; /* of the member set the published ring was built
			      from */
	struct loom_counter retired; /* counts of backends that were removed */
};
static_assert(sizeof(struct loom_service_info) == 112, "ABI");

struct loom_backend_info {
	char name[LOOM_NAME_SIZE];
	__u32 api_id; /* the id users see */
	__u32 weight;
	__u32 state; /* enum of the control plane; opaque here */
	__be16 port; /* as configured; 0: keeps the packet's */
	__u16 pad;
};
static_assert(sizeof(struct loom_backend_info) == 88, "ABI");

struct loom_meta {
	__u32 magic;
	__u32 abi_version;
	__u64 program_digest;  /* of object code and load-time configuration */
	__u32 next_generation; /* for struct loom_backend */
	__u32 next_api_id;
	__u32 ring_size;
	__u32 pad;
};
static_assert(sizeof(struct loom_meta) == 32, "ABI");

/* Written by loom_clock when the daemon runs it: both clocks at one moment. */
struct loom_clock {
	__u64 jiffies;
	__u64 ktime_ns;
};
static_assert(sizeof(struct loom_clock) == 16, "ABI");

/* Switches that may change while traffic flows. */
#define LOOM_SETTING_CONNECTION_LIMIT 2u /* new flows go to the stack */
#define LOOM_SETTING_HANDOVER \
	1u /* flows are being copied: unknown NAT packets wait */

struct loom_settings {
	__u32 flags;
	__u32 pad;
};
static_assert(sizeof(struct loom_settings) == 8, "ABI");

/* ---- configuration fixed at load (const volatile) ---------------------- */

#define LOOM_FEATURE_DROP_EXTENSION_HEADERS 2u /* beyond the bounded walk */
#define LOOM_FEATURE_FRAGS                  1u /* bpf_xdp_get_buff_len exists (kernel 5.18) */

struct loom_config {
	__u64 timeout[8]; /* jiffies, by enum loom_state */
	__u32 ring_size;
	__u32 features;
	__u16 nat_port_min;     /* host order */
	__u16 nat_port_max;     /* inclusive */
	__u32 answer_rate;      /* ICMP errors and RSTs per second and CPU */
	__u64 fragment_timeout; /* jiffies */
	__u32 hz;               /* jiffies per second */
	__u32 pad;
};
static_assert(sizeof(struct loom_config) == 96, "ABI");

/* Token bucket of the answers the datapath gives by itself; one per CPU. */
struct loom_bucket {
	__u64 refilled; /* jiffies */
	__u64 tokens;
};
static_assert(sizeof(struct loom_bucket) == 16, "ABI");
