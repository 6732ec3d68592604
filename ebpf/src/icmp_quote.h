/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* The packet that an ICMP error quotes: whose is it. */
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "addr.h"
#include "cursor.h"
#include "loom/abi.h"
#include "packet.h"
#include "reply.h"
#include "scratch.h"

#define ICMP_EXT_MAX   4 /* extension headers read in a quoted packet */
#define ICMP_V4_OFFSET 0x1fff
#define ICMP_V6_OFFSET 0xfff8

/* The first 8 bytes of a quoted TCP or UDP header: all that must be there. */
struct icmp_ports {
	__be16 source;
	__be16 dest;
	__be16 udp_len; /* or, with the next, TCP's sequence number */
	__sum16 udp_check;
};

static __always_inline bool icmp_quote_ipv4(struct cursor *cur,
					    struct scratch_quote *quote)
{
	const struct iphdr *ip = cursor_take(cur, sizeof(*ip));

	if (!ip || ip->version != 4 || ip->ihl < sizeof(*ip) / 4 ||
	    ip->frag_off & bpf_htons(ICMP_V4_OFFSET))
		return false;
	quote->ip_len = ip->ihl * 4;
	quote->flow.src = addr_from_v4(ip->saddr);
	quote->flow.dst = addr_from_v4(ip->daddr);
	quote->flow.proto = ip->protocol;
	return cursor_skip(cur, quote->ip_len - sizeof(*ip));
}

/* One extension header; false if there is no L4 header behind it. */
static __always_inline bool icmp_quote_extension(struct cursor *cur,
						 struct scratch_quote *quote)
{
	const struct {
		__u8 nexthdr;
		__u8 len;
		__be16 offset; /* fragment header */
		__be32 rest;
	} *ext = cursor_take(cur, sizeof(*ext));
	__u32 rest;

	if (!ext)
		return false;
	rest = ext->len * 8;
	if (quote->flow.proto == IPPROTO_FRAGMENT) {
		if (ext->offset & bpf_htons(ICMP_V6_OFFSET))
			return false;
		rest = 0;
	}
	quote->flow.proto = ext->nexthdr;
	quote->ip_len += sizeof(*ext) + rest;
	return cursor_skip(cur, rest);
}

static __always_inline bool icmp_quote_ipv6(struct cursor *cur,
					    struct scratch_quote *quote)
{
	const struct ipv6hdr *ip = cursor_take(cur, sizeof(*ip));

	if (!ip || ip->version != 6)
		return false;
	quote->ip_len = sizeof(*ip);
	quote->flow.src = addr_from_v6(&ip->saddr);
	quote->flow.dst = addr_from_v6(&ip->daddr);
	quote->flow.proto = ip->nexthdr;

#pragma clang loop unroll(disable)
	for (int i = 0; i < ICMP_EXT_MAX; i++) {
		switch (quote->flow.proto) {
		case IPPROTO_HOPOPTS:
		case IPPROTO_ROUTING:
		case IPPROTO_DSTOPTS:
		case IPPROTO_FRAGMENT:
			break;
		default:
			return true;
		}
		if (!icmp_quote_extension(cur, quote))
			return false;
	}
	return true;
}

/* cur is behind the ICMP header. True if the quote names a flow of TCP or UDP
 * whose sender is the address that is told about it.
 */
static __always_inline bool icmp_quote_parse(struct cursor *cur,
					     const struct packet *pkt,
					     struct scratch_quote *quote)
{
	const struct icmp_ports *ports;
	bool known;

	known = pkt->is_v4 ? icmp_quote_ipv4(cur, quote)
			   : icmp_quote_ipv6(cur, quote);
	if (!known || (quote->flow.proto != IPPROTO_TCP &&
		       quote->flow.proto != IPPROTO_UDP))
		return false;
	ports = cursor_take(cur, sizeof(*ports));
	quote->len = pkt->l3_len - (pkt->l4_offset - pkt->l3_offset) -
		     sizeof(struct reply_icmp);
	if (!ports || quote->ip_len + sizeof(*ports) > quote->len)
		return false;
	quote->flow.sport = ports->source;
	quote->flow.dport = ports->dest;
	return addr_equal(&quote->flow.src, &pkt->flow.dst);
}

/* Into scratch->quote; 0: it is of no flow of ours. */
__noinline int icmp_read_quote(loom_ctx *ctx)
{
	struct scratch *scratch = scratch_get();
	struct scratch_quote quote = {};
	struct cursor cur = cursor_init(ctx);

	if (!scratch || !cursor_skip(&cur, scratch->pkt.l4_offset) ||
	    !cursor_take(&cur, sizeof(struct reply_icmp)) ||
	    !icmp_quote_parse(&cur, &scratch->pkt, &quote))
		return 0;
	scratch->quote = quote;
	return 1;
}
