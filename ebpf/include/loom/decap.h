/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * The border between the loom_decap programs on a backend host and the tool
 * that attaches them: verdicts, map keys and values, configuration.
 *
 * The rules of loom/abi.h hold here too.
 */
#pragma once

#include <linux/types.h>

#include "loom/abi.h"

#define LOOM_DECAP_MAX_SOURCES 4096u
#define LOOM_DECAP_MAX_VIPS    16384u
#define LOOM_DECAP_MAX_LOCALS  65536u

/*
 * Every way a packet leaves loom_decap, once: name, XDP action, help text.
 * Append only: the number is the index into loom_decap_verdicts.
 *
 * PASS_*    not a tunnel packet to this host, as far as can be told: untouched.
 * DROP_*    a tunnel packet to this host which is not to be trusted.
 * ABORT_*   our own fault.
 */
#define LOOM_DECAP_VERDICT_LIST(V)                                         \
	V(DECAPSULATED, PASS, "inner packet handed to the stack")          \
	V(PASS_NOT_IP, PASS, "no complete IPv4 or IPv6 header")            \
	V(PASS_NOT_TUNNEL, PASS, "none of the encapsulations taken here")  \
	V(PASS_NOT_LOCAL, PASS, "tunnel packet to another host")           \
	V(DROP_SOURCE, DROP, "outer source is not an allowed balancer")    \
	V(DROP_FRAGMENT, DROP, "outer packet is a fragment")               \
	V(DROP_GUE, DROP, "GUE variant, flags or payload not taken here")  \
	V(DROP_MALFORMED, DROP, "checksum or lengths do not fit")          \
	V(DROP_NOT_VIP, DROP, "inner destination is not a configured VIP") \
	V(DROP_NESTED, DROP, "a tunnel within the tunnel")                 \
	V(DROP_ECN, DROP,                                                  \
	  "congestion mark that the inner packet cannot carry")            \
	V(ABORT_ADJUST, ABORTED,                                           \
	  "the kernel refused to remove the outer header")

/* clang-format off */
enum loom_decap_verdict {
	LOOM_DECAP_CONTINUE = 0, /* not a way out: go on with the next stage */
#define V(name, action, help) LOOM_DECAP_##name,
	LOOM_DECAP_VERDICT_LIST(V)
#undef V
	LOOM_DECAP_VERDICT_MAX,
};
/* clang-format on */

/* Room to grow: a pinned map with fewer entries could not be taken over. */
#define LOOM_DECAP_VERDICT_SLOTS 64
static_assert(LOOM_DECAP_VERDICT_MAX <= LOOM_DECAP_VERDICT_SLOTS, "ABI");

struct loom_decap_counter {
	__u64 packets;
	__u64 bytes; /* frame length as received */
};
static_assert(sizeof(struct loom_decap_counter) == 16, "ABI");

/* Key of loom_decap_sources. */
struct loom_decap_prefix {
	__u32 length; /* over the 128 bits of addr: 96 more for IPv4 */
	struct loom_addr addr;
};
static_assert(sizeof(struct loom_decap_prefix) == 20, "ABI");

#define LOOM_DECAP_F_IPIP  1u /* take IP protocols 4 and 41 */
#define LOOM_DECAP_F_GUE   2u /* take GUE on gue_port */
#define LOOM_DECAP_F_FRAGS 4u /* bpf_xdp_get_buff_len exists (kernel 5.18) */

/* Fixed at load (const volatile). */
struct loom_decap_config {
	__u32 flags;
	__be16 gue_port;
	__u16 pad;
};
static_assert(sizeof(struct loom_decap_config) == 8, "ABI");
