/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP errors about packets that NAT has rewritten: each end is told about the
 * packet that it knows.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "addr.h"
#include "csum.h"
#include "cursor.h"
#include "flow.h"
#include "icmp_quote.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "nat.h"
#include "next_hop.h"
#include "packet.h"
#include "reply.h"
#include "scratch.h"
#include "select.h"
#include "service.h"

/* The rest of a quoted TCP header up to its checksum. */
struct icmp_tcp_rest {
	__be16 skipped[4];
	__sum16 check;
};
_Static_assert(sizeof(struct icmp_tcp_rest) == 10, "18 bytes of TCP in all");

static __always_inline __u64 icmp_sum_addrs(const struct loom_flow *flow)
{
	return csum_words(flow, offsetof(struct loom_flow, sport));
}

/* Of the ICMP checksum: what went, what came. */
struct icmp_change {
	__u64 removed;
	__u64 added;
};

static __always_inline bool
icmp_rewrite_quoted_ip(struct cursor *cur, const struct packet *pkt,
		       const struct scratch_quote *quote,
		       const struct loom_flow *to)
{
	struct cursor header = *cur;

	return cursor_skip(cur, quote->ip_len) &&
	       nat_rewrite_ip(header, pkt->is_v4, to);
}

/* A checksum that a short quote does not have needs no update. */
static __always_inline bool
icmp_rewrite_quoted_l4(struct cursor *cur, const struct scratch_quote *quote,
		       const struct loom_flow *to, struct icmp_change *change)
{
	struct icmp_ports *ports = cursor_take(cur, sizeof(*ports));
	__sum16 *check = NULL;
	struct icmp_tcp_rest *rest;
	__sum16 updated;

	if (!ports)
		return false;
	change->removed += (__u64)ports->source + ports->dest;
	change->added += (__u64)to->sport + to->dport;
	ports->source = to->sport;
	ports->dest = to->dport;

	if (quote->flow.proto == IPPROTO_UDP) {
		if (ports->udp_check)
			check = &ports->udp_check;
	} else if (quote->ip_len + sizeof(*ports) + sizeof(*rest) <=
		   quote->len) {
		rest = cursor_take(cur, sizeof(*rest));
		if (rest)
			check = &rest->check;
	}
	if (!check)
		return true;
	change->removed += *check;
	updated = csum_replace(*check, nat_sum(&quote->flow), nat_sum(to));
	if (!updated && quote->flow.proto == IPPROTO_UDP)
		updated = 0xffff;
	*check = updated;
	change->added += updated;
	return true;
}

/* cur is at the outer IP header; the packet leaves as scratch->outer, its quote
 * as scratch->inner. A quoted IPv4 header adds up to the same as before,
 * because its own checksum is among what is added.
 */
static __always_inline bool icmp_rewrite(struct cursor *cur,
					 const struct packet *pkt,
					 const struct scratch *scratch)
{
	const struct scratch_quote *quote = &scratch->quote;
	const struct loom_flow *outer = &scratch->outer;
	const struct loom_flow *inner = &scratch->inner;
	struct icmp_change change = {};
	struct cursor header = *cur;
	struct reply_icmp *icmp;

	if (!nat_rewrite_l3(&header, pkt, outer) ||
	    !cursor_skip(cur, pkt->l4_offset - pkt->l3_offset))
		return false;
	icmp = cursor_take(cur, sizeof(*icmp));
	if (!icmp || !icmp_rewrite_quoted_ip(cur, pkt, quote, inner) ||
	    !icmp_rewrite_quoted_l4(cur, quote, inner, &change))
		return false;
	if (!pkt->is_v4) {
		change.removed += icmp_sum_addrs(&quote->flow) +
				  icmp_sum_addrs(&pkt->flow);
		change.added += icmp_sum_addrs(inner) + icmp_sum_addrs(outer);
	}
	icmp->check = csum_replace(icmp->check, change.removed, change.added);
	return true;
}

static __always_inline bool icmp_translate_as(loom_ctx *ctx,
					      const struct scratch *scratch,
					      const struct packet *pkt)
{
	struct cursor cur = cursor_init(ctx);
	__u32 offset = next_hop_l3_offset(&scratch->hop, pkt);

	return cursor_skip(&cur, offset) && icmp_rewrite(&cur, pkt, scratch);
}

/* 0: the packet is not all there. The frame has its next Ethernet header. */
__noinline int icmp_translate(loom_ctx *ctx)
{
	const struct scratch *scratch = scratch_get();
	struct packet pkt;

	if (!scratch)
		return 0;
	if (scratch->pkt.is_v4) {
		pkt = scratch_packet(scratch, true);
		return icmp_translate_as(ctx, scratch, &pkt);
	}
	pkt = scratch_packet(scratch, false);
	return icmp_translate_as(ctx, scratch, &pkt);
}

/* The error leaves as the other end of the quoted flow knows it. Whoever sends
 * it keeps its address, unless it is this flow's far end, which is known by
 * another.
 */
static __always_inline enum loom_verdict
icmp_send_translated(loom_ctx *ctx, struct scratch *scratch)
{
	const struct next_hop_frame frame = {
		.hop = &scratch->hop,
		.ethertype = packet_ethertype(&scratch->pkt),
	};
	enum loom_verdict verdict;
	struct cursor cur;

	scratch->outer.dst = scratch->inner.src;
	scratch->outer.src = scratch->pkt.flow.src;
	if (addr_equal(&scratch->pkt.flow.src, &scratch->quote.flow.dst))
		scratch->outer.src = scratch->inner.dst;
	verdict = next_hop_open(ctx, &scratch->pkt, &frame, &cur);
	if (verdict)
		return verdict;
	scratch->pkt.egress = scratch->hop.ifindex;
	return icmp_translate(ctx) ? LOOM_CONTINUE : LOOM_DROP_BAD_LENGTH;
}

/* The flow's entry in this table, if its pair is alive and the entry still one
 * half of it, and its backend the one it was made for. A client that has been
 * given another port keeps the right to hear from the old one.
 */
static __always_inline const struct loom_flow_entry *
icmp_find_entry(enum flow_table table, const struct loom_flow *key)
{
	const struct loom_flow_entry *entry, *pair;
	const struct loom_backend *backend;
	__u64 now = bpf_jiffies64();
	bool ours;
	__u32 id;

	entry = flow_find(table, key);
	if (!entry || !entry->other.proto)
		return NULL;
	pair = flow_find(table, &entry->other);
	ours = pair && flow_equal(&pair->other, key);
	if (pair && !ours && !(entry->flags & LOOM_FLOW_F_REPLY))
		return NULL;
	if (!flow_is_fresh(entry, now) && !(ours && flow_is_fresh(pair, now)))
		return NULL;
	id = entry->backend;
	backend = bpf_map_lookup_elem(&loom_backends, &id);
	return backend && select_names(entry, backend, id) ? entry : NULL;
}

/* The way to the client, about a packet that we sent to the backend. */
static __always_inline enum loom_verdict
icmp_hop_to_client(const struct loom_flow_entry *entry, struct next_hop *hop)
{
	const struct loom_interface *iface;

	hop->ifindex = entry->peer_ifindex;
	iface = interface_lookup(hop->ifindex);
	if (!iface)
		return LOOM_ABORT_REDIRECT_FAILED;
	__builtin_memcpy(hop->dmac, entry->peer_mac, ETH_ALEN);
	__builtin_memcpy(hop->smac, iface->mac, ETH_ALEN);
	return LOOM_CONTINUE;
}

/* CONTINUE: not about a translated packet of a flow in the table. */
static __always_inline enum loom_verdict icmp_nat(loom_ctx *ctx,
						  struct scratch *scratch)
{
	struct loom_flow key = flow_reverse(&scratch->quote.flow);
	const struct loom_flow_entry *entry;
	const struct loom_backend *backend;
	enum loom_verdict verdict;
	struct next_hop hop;
	bool to_client, stays;
	__u32 id;

	entry = icmp_find_entry(FLOW_CONFIRMED, &key);
	if (!entry)
		entry = icmp_find_entry(FLOW_PROBATION, &key);
	if (!entry)
		return LOOM_CONTINUE;
	id = entry->backend;
	backend = bpf_map_lookup_elem(&loom_backends, &id);
	if (!backend)
		return LOOM_CONTINUE;
	if (scratch->pkt.ttl <= 1)
		return LOOM_DROP_TTL_EXCEEDED;

	to_client = entry->flags & LOOM_FLOW_F_REPLY;
	verdict = to_client
			  ? icmp_hop_to_client(entry, &hop)
			  : next_hop_resolve(ctx, &scratch->pkt, backend, &hop);
	if (verdict)
		return verdict;
	scratch->hop = hop;
	scratch->inner = entry->other;
	scratch->pkt.backend = id;
	verdict = icmp_send_translated(ctx, scratch);
	if (verdict)
		return verdict;
	stays = next_hop_is_ingress(&scratch->hop, &scratch->pkt);
	if (to_client)
		return stays ? LOOM_REPLY_TX : LOOM_REPLY_REDIRECT;
	return stays ? LOOM_FORWARD_TX : LOOM_FORWARD_REDIRECT;
}
