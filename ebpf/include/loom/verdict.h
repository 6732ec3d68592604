/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * Every way a packet leaves the datapath, once.
 *
 * Each line is: name, XDP action, help text. Enum, action and metric label are
 * generated from it, so they cannot disagree. Append only: the number is the
 * index into loom_verdicts.
 *
 * FORWARD_* sent on.      FORWARD_TX and FORWARD_REDIRECT are counted per
 *           backend (loom_backend_counters) and not in loom_verdicts; replies
 *           of NAT backends are counted in loom_verdicts.
 * PASS_*    not ours, or not yet known to be ours: the stack decides.
 * DROP_*    for one of our VIPs, and cannot be balanced.
 * ABORT_*   our own fault; also fires the xdp:xdp_exception tracepoint.
 */
#pragma once

#define LOOM_VERDICT_LIST(V)                                                   \
	V(FORWARD_TX, TX, "sent to a backend on the ingress interface")        \
	V(FORWARD_REDIRECT, REDIRECT,                                          \
	  "sent to a backend on another interface")                            \
	V(REPLY_TX, TX,                                                        \
	  "backend's reply sent on to the client on the ingress interface")    \
	V(REPLY_REDIRECT, REDIRECT,                                            \
	  "backend's reply sent on to the client on another interface")        \
	V(PASS_NOT_IP, PASS, "neither IPv4 nor IPv6")                          \
	V(PASS_MALFORMED, PASS, "no complete IP header")                       \
	V(PASS_NOT_OUR_MAC, PASS, "frame is addressed to another host")        \
	V(PASS_NOT_VIP, PASS, "destination is not a VIP")                      \
	V(PASS_PASSTHROUGH, PASS, "port is listed under passthrough_ports")    \
	V(PASS_NO_SERVICE, PASS,                                               \
	  "no service on this port of the VIP; policy: pass")                  \
	V(PASS_ICMP, PASS, "ICMP to a VIP, left to the stack")                 \
	V(PASS_EXTENSION_HEADER, PASS,                                         \
	  "IPv6 extension header beyond the walk; policy: pass")               \
	V(DROP_FRAGMENT_UNKNOWN, DROP,                                         \
	  "fragment whose first part was not seen")                            \
	V(DROP_BAD_LENGTH, DROP, "IP length does not fit the frame")           \
	V(DROP_SHORT_L4, DROP, "truncated TCP or UDP header")                  \
	V(DROP_BAD_L4, DROP, "TCP data offset or UDP length is impossible")    \
	V(DROP_TTL_EXCEEDED, DROP, "TTL or hop limit used up")                 \
	V(DROP_NO_SERVICE, DROP,                                               \
	  "no service on this port of the VIP; policy: drop")                  \
	V(DROP_NO_BACKEND, DROP, "service has no backend to offer")            \
	V(DROP_NO_NEXT_HOP, DROP,                                              \
	  "MAC address of the next hop is not known yet")                      \
	V(DROP_NO_FLOW, DROP, "NAT packet of a flow that is not in the table") \
	V(DROP_NO_NAT_PORT, DROP, "no free NAT port after a bounded search")   \
	V(DROP_TOO_BIG, DROP,                                                  \
	  "larger than the egress MTU with its encapsulation")                 \
	V(DROP_NO_HEADROOM, DROP, "no room in the frame for the outer header") \
	V(ABORT_BACKEND_INVALID, ABORTED,                                      \
	  "ring or flow names a backend entry that cannot be used")            \
	V(ABORT_REDIRECT_FAILED, ABORTED,                                      \
	  "egress interface is not in the redirect map")                       \
	V(PASS_CONNECTION_LIMIT, PASS,                                         \
	  "new flow, and there are as many as are allowed")                    \
	V(REPLY_ECHO, TX, "echo request to a VIP answered")                    \
	V(REPLY_TOO_BIG, TX, "answered with the size that fits the tunnel")    \
	V(REPLY_TIME_EXCEEDED, TX, "TTL or hop limit used up; sender told so") \
	V(REPLY_UNREACHABLE, TX,                                               \
	  "UDP to a service without backend answered with port unreachable")   \
	V(REPLY_RST, TX, "TCP without backend or NAT flow answered with RST")  \
	V(PASS_NO_BACKEND, PASS,                                               \
	  "service has no backend to offer; policy: pass")                     \
	V(DROP_ECHO, DROP, "echo request to a VIP that does not answer")       \
	V(DROP_ICMP_UNKNOWN, DROP,                                             \
	  "ICMP error about a packet of no flow of ours")                      \
	V(DROP_RATE_LIMITED, DROP, "an answer was due, beyond answer_rate")    \
	V(DROP_EXTENSION_HEADER, DROP,                                         \
	  "IPv6 extension header beyond the walk; policy: drop")               \
	V(PASS_LOCAL_BACKEND, PASS, "backend is an address of this host")      \
	V(ABORT_NO_PROGRAM, ABORTED,                                           \
	  "the program for what is off the hot path is not there")             \
	V(PASS_HANDED_UP, PASS,                                                \
	  "checksum not filled in yet, and no TC program to take the packet")

/* clang-format off */
enum loom_verdict {
	LOOM_CONTINUE = 0, /* not a way out: go on with the next stage */
#define V(name, action, help) LOOM_##name,
	LOOM_VERDICT_LIST(V)
#undef V
	LOOM_VERDICT_MAX,
};
/* clang-format on */

/* Things that went wrong without deciding the packet's fate; index into
 * loom_errors, label `type` of loom_ebpf_errors_total.
 */
#define LOOM_ERROR_LIST(E)                                   \
	E(map_full, "flow table update failed: no space")    \
	E(map_busy, "flow table update failed: bucket busy") \
	E(fib_lookup, "route look-up in the datapath failed")

/* clang-format off */
enum loom_error {
#define E(name, help) LOOM_ERROR_##name,
	LOOM_ERROR_LIST(E)
#undef E
	LOOM_ERROR_MAX,
};
/* clang-format on */
