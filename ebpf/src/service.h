/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Is this packet ours, and for which service. */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <stdbool.h>
#include <bpf/bpf_helpers.h>

#include "cursor.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "packet.h"

/* NULL unless the datapath is attached there. */
static __always_inline const struct loom_interface *
interface_lookup(__u32 ifindex)
{
	__u32 slot = ifindex % LOOM_INTERFACE_SLOTS;
	const struct loom_interface *iface;

	iface = bpf_map_lookup_elem(&loom_interfaces, &slot);
	if (!iface || !ifindex || iface->ifindex != ifindex)
		return NULL;
	return iface;
}

/* Checksums that only TC can handle may come in there. */
static __always_inline bool
interface_may_be_partial(const struct loom_interface *iface
			 __attribute__((unused)))
{
#ifdef LOOM_TC
	return false;
#else
	return iface && iface->flags & LOOM_INTERFACE_F_PARTIAL;
#endif
}

/* One of the interface's other MACs? A global function: the verifier walks the
 * comparisons once, and not once with each outcome.
 */
__noinline int interface_has_extra_mac(loom_ctx *ctx)
{
	const struct loom_interface *iface = interface_lookup(ctx_ingress(ctx));
	struct cursor cur = cursor_init(ctx);
	const struct ethhdr *eth = cursor_take(&cur, sizeof(*eth));

	if (!iface || !eth)
		return false;
	for (__u32 i = 0; i < LOOM_EXTRA_MACS && i < iface->extra_count; i++)
		if (packet_mac_equal(eth->h_dest, iface->extra[i]))
			return true;
	return false;
}

/* On a promiscuous interface or a hub, other hosts' frames arrive too. */
static __always_inline enum loom_verdict interface_check(loom_ctx *ctx,
							 struct packet *pkt)
{
	const struct loom_interface *iface = interface_lookup(pkt->ingress);
	struct cursor cur = cursor_init(ctx);
	const struct ethhdr *eth = cursor_take(&cur, sizeof(*eth));

	if (!iface || !eth)
		return LOOM_PASS_NOT_OUR_MAC;
	pkt->may_be_partial = interface_may_be_partial(iface);
	if (packet_mac_equal(eth->h_dest, iface->mac))
		return LOOM_CONTINUE;
	return iface->extra_count && interface_has_extra_mac(ctx)
		       ? LOOM_CONTINUE
		       : LOOM_PASS_NOT_OUR_MAC;
}

/* What no service takes: does the stack get it? An address that only receives
 * NAT replies is an address of this host.
 */
static __always_inline bool vip_passes_unserved(const struct loom_vip *vip)
{
	return vip->flags & LOOM_VIP_F_PASS_UNSERVED ||
	       !(vip->flags & LOOM_VIP_F_SERVICE);
}

/* A fragment whose first part we have not seen has no port to tell a service's
 * packet from the host's own. Where the host uses the address too, its DNS must
 * not die of our guess.
 */
static __always_inline enum loom_verdict
vip_unknown_fragment(const struct loom_vip *vip)
{
	return vip_passes_unserved(vip) ? LOOM_PASS_NO_SERVICE
					: LOOM_DROP_FRAGMENT_UNKNOWN;
}

/* Behind the exact match: the longest prefix is the smallest range, and the
 * wildcard comes last.
 */
static __always_inline const struct loom_listener *
listener_find_range(const struct packet *pkt)
{
	struct loom_range_key key = {
		.prefixlen = LOOM_RANGE_PREFIX + 16,
		.vip = pkt->flow.dst,
		.proto = pkt->flow.proto,
		.port = pkt->flow.dport,
	};

	return bpf_map_lookup_elem(&loom_port_ranges, &key);
}

/* By value: one pointer into either of two maps would have the verifier walk
 * all that follows twice.
 */
static __always_inline enum loom_verdict
listener_find(const struct loom_vip *vip, const struct packet *pkt,
	      struct loom_listener *listener)
{
	const struct loom_listener_key key = {
		.vip = pkt->flow.dst,
		.port = pkt->flow.dport,
		.proto = pkt->flow.proto,
	};
	const struct loom_listener *found;
	const struct loom_listener *range = NULL;

	found = bpf_map_lookup_elem(&loom_listeners, &key);
	if (found) {
		*listener = *found;
	} else {
		if (vip->flags & LOOM_VIP_F_RANGES)
			range = listener_find_range(pkt);
		if (!range)
			return vip_passes_unserved(vip) ? LOOM_PASS_NO_SERVICE
							: LOOM_DROP_NO_SERVICE;
		*listener = *range;
	}
	return listener->flags & LOOM_LISTENER_F_PASS ? LOOM_PASS_PASSTHROUGH
						      : LOOM_CONTINUE;
}
