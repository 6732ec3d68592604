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

/* On a promiscuous interface or a hub, other hosts' frames arrive too. */
static __always_inline enum loom_verdict
interface_check(const struct xdp_md *ctx, const struct packet *pkt)
{
	const struct loom_interface *iface = interface_lookup(pkt->ingress);
	struct cursor cur = cursor_init(ctx);
	const struct ethhdr *eth = cursor_take(&cur, sizeof(*eth));

	if (!iface || !eth || !packet_mac_equal(eth->h_dest, iface->mac))
		return LOOM_PASS_NOT_OUR_MAC;
	return LOOM_CONTINUE;
}

/* What no service takes: does the stack get it? An address that only receives
 * NAT replies is an address of this host.
 */
static __always_inline bool vip_passes_unserved(const struct loom_vip *vip)
{
	return vip->flags & LOOM_VIP_F_PASS_UNSERVED ||
	       !(vip->flags & LOOM_VIP_F_SERVICE);
}

/* A fragment has no port to tell a service's packet from the host's own. Where
 * the host uses the address too, its DNS must not die of our guess.
 */
static __always_inline enum loom_verdict vip_check(const struct loom_vip *vip,
						   const struct packet *pkt)
{
	enum loom_verdict verdict = packet_check(pkt);

	if (verdict == LOOM_DROP_FRAGMENT_UNKNOWN && vip_passes_unserved(vip))
		return LOOM_PASS_NO_SERVICE;
	return verdict;
}

static __always_inline enum loom_verdict
listener_find(const struct loom_vip *vip, const struct packet *pkt,
	      const struct loom_listener **listener)
{
	struct loom_listener_key key = {
		.vip = pkt->flow.dst,
		.port = pkt->flow.dport,
		.proto = pkt->flow.proto,
	};

	*listener = bpf_map_lookup_elem(&loom_listeners, &key);
	if (!*listener)
		return vip_passes_unserved(vip) ? LOOM_PASS_NO_SERVICE
						: LOOM_DROP_NO_SERVICE;
	if ((*listener)->flags & LOOM_LISTENER_F_PASS)
		return LOOM_PASS_PASSTHROUGH;
	return LOOM_CONTINUE;
}
