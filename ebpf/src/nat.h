/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* NAT with source masquerade: the backend sees a connection from us and answers
 * to us.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/if_ether.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <linux/tcp.h>
#include <linux/udp.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "addr.h"
#include "csum.h"
#include "cursor.h"
#include "flow.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "nat_pair.h"
#include "next_hop.h"
#include "packet.h"
#include "select.h"
#include "service.h"

/* ---- rewriting --------------------------------------------------------- */

/* The bytes of a flow that L4 checksums cover. */
static __always_inline __u64 nat_sum(const struct loom_flow *flow)
{
	return csum_words(flow, offsetof(struct loom_flow, proto));
}

/* Source and destination of the IP header at `header`. */
static __always_inline bool nat_rewrite_ip(struct cursor header, bool is_v4,
					   const struct loom_flow *to)
{
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (!is_v4) {
		ip6 = cursor_take(&header, sizeof(*ip6));
		if (!ip6)
			return false;
		__builtin_memcpy(&ip6->saddr, &to->src, sizeof(to->src));
		__builtin_memcpy(&ip6->daddr, &to->dst, sizeof(to->dst));
		return true;
	}
	ip = cursor_take(&header, sizeof(*ip));
	if (!ip)
		return false;
	ip->check = csum_replace(ip->check, (__u64)ip->saddr + ip->daddr,
				 (__u64)to->src.w[3] + to->dst.w[3]);
	ip->saddr = to->src.w[3];
	ip->daddr = to->dst.w[3];
	return true;
}

/* Addresses and hop; leaves cur behind options and extension headers. */
static __always_inline bool nat_rewrite_l3(struct cursor *cur,
					   const struct packet *pkt,
					   const struct loom_flow *to)
{
	struct cursor header = *cur, hop = *cur;

	return cursor_skip(cur, pkt->l4_offset - pkt->l3_offset) &&
	       packet_count_hop(&hop, pkt->is_v4) &&
	       nat_rewrite_ip(header, pkt->is_v4, to);
}

#ifdef LOOM_TC
/* What brings a checksum from one flow to the other, as the helper wants it. */
static __always_inline __u32 nat_csum_diff(__u64 removed, __u64 added)
{
	return csum_fold(added) + (__u16)~csum_fold(removed);
}

/* A global function: the verifier walks it once. 0: done. */
__noinline int nat_rewrite_check(loom_ctx *ctx, __u32 offset, __u64 flags,
				 __u32 pseudo, __u32 ports)
{
	if (bpf_l4_csum_replace(ctx, offset, 0, pseudo,
				flags | BPF_F_PSEUDO_HDR))
		return -1;
	return bpf_l4_csum_replace(ctx, offset, 0, ports, flags);
}

/* Ports and checksum. By helper, because only the kernel knows whether the
 * checksum is one that the sending device completes: such a one covers the
 * addresses and not the ports. cur is invalid afterwards.
 */
static __always_inline bool nat_rewrite_l4(loom_ctx *ctx, struct cursor *cur,
					   const struct packet *pkt,
					   const struct loom_flow *to)
{
	const struct loom_flow *from = &pkt->flow;
	__u32 offset = ETH_HLEN + pkt->l4_offset - pkt->l3_offset;
	__u64 flags = 0;
	__be16 *ports = cursor_take(cur, 2 * sizeof(*ports));
	__u32 pseudo;

	if (!ports)
		return false;
	ports[0] = to->sport;
	ports[1] = to->dport;
	if (from->proto == IPPROTO_TCP) {
		offset += offsetof(struct tcphdr, check);
	} else {
		offset += offsetof(struct udphdr, check);
		flags = BPF_F_MARK_MANGLED_0;
	}
	pseudo = nat_csum_diff(
		csum_words(from, offsetof(struct loom_flow, sport)),
		csum_words(to, offsetof(struct loom_flow, sport)));
	return !nat_rewrite_check(
		ctx, offset, flags, pseudo,
		nat_csum_diff((__u64)from->sport + from->dport,
			      (__u64)to->sport + to->dport));
}
#else
static __always_inline bool nat_rewrite_tcp(struct cursor *cur,
					    const struct loom_flow *from,
					    const struct loom_flow *to)
{
	struct tcphdr *tcp = cursor_take(cur, sizeof(*tcp));

	if (!tcp)
		return false;
	tcp->source = to->sport;
	tcp->dest = to->dport;
	tcp->check = csum_replace(tcp->check, nat_sum(from), nat_sum(to));
	return true;
}

/* In UDP a checksum of 0 means none: none stays none, and one that comes out as
 * 0 is sent as its equal 0xffff (RFC 768).
 */
static __always_inline bool nat_rewrite_udp(struct cursor *cur,
					    const struct loom_flow *from,
					    const struct loom_flow *to)
{
	struct udphdr *udp = cursor_take(cur, sizeof(*udp));
	__u16 check;

	if (!udp)
		return false;
	udp->source = to->sport;
	udp->dest = to->dport;
	if (!udp->check)
		return true;
	check = csum_replace(udp->check, nat_sum(from), nat_sum(to));
	udp->check = check ? check : 0xffff;
	return true;
}

static __always_inline bool
nat_rewrite_l4(loom_ctx *ctx __attribute__((unused)), struct cursor *cur,
	       const struct packet *pkt, const struct loom_flow *to)
{
	return pkt->flow.proto == IPPROTO_TCP
		       ? nat_rewrite_tcp(cur, &pkt->flow, to)
		       : nat_rewrite_udp(cur, &pkt->flow, to);
}
#endif

/* The packet leaves as `to`, through hop. */
static __always_inline enum loom_verdict nat_send(loom_ctx *ctx,
						  const struct packet *pkt,
						  const struct loom_flow *to,
						  const struct next_hop *hop)
{
	const struct next_hop_frame frame = {
		.hop = hop,
		.ethertype = packet_ethertype(pkt),
	};
	enum loom_verdict verdict;
	struct cursor cur;

	verdict = next_hop_open(ctx, pkt, &frame, &cur);
	if (verdict)
		return verdict;
	if (!nat_rewrite_l3(&cur, pkt, to))
		return LOOM_DROP_BAD_LENGTH;
	return nat_rewrite_l4(ctx, &cur, pkt, to) ? LOOM_CONTINUE
						  : LOOM_DROP_SHORT_L4;
}

/* ---- client to backend ------------------------------------------------- */

static __always_inline enum loom_verdict
nat_forward(loom_ctx *ctx, struct packet *pkt, const struct selection *sel,
	    const struct next_hop *hop)
{
	const struct loom_backend *backend = sel->backend;
	struct loom_flow reply, to;
	enum loom_verdict verdict;

	if (addr_is_v4(&backend->addr) != pkt->is_v4 ||
	    addr_is_v4(&backend->source) != pkt->is_v4)
		return LOOM_ABORT_BACKEND_INVALID;
	verdict = sel->entry ? nat_continue(pkt, sel, &reply)
			     : nat_open(pkt, sel, &reply);
	if (verdict)
		return verdict;
	to = flow_reverse(&reply);
	return nat_send(ctx, pkt, &to, hop);
}

/* ---- backend to client ------------------------------------------------- */

/* The reply entry of this packet, if it is alive and its backend still the one
 * it was made for. Puts a missing forward entry back.
 */
static __always_inline struct loom_flow_entry *
nat_find_reply(enum flow_table table, const struct packet *pkt)
{
	struct loom_flow_entry *entry, *forward;
	const struct loom_backend *backend;
	bool is_pair;
	__u32 id;

	entry = flow_find(table, &pkt->flow);
	if (!entry || !(entry->flags & LOOM_FLOW_F_REPLY))
		return NULL;
	id = entry->backend;
	backend = bpf_map_lookup_elem(&loom_backends, &id);
	if (!backend || backend->generation != entry->generation)
		return NULL;

	forward = flow_find(table, &entry->other);
	is_pair = forward && flow_equal(&forward->other, &pkt->flow);
	if (!flow_is_fresh(entry, pkt->now) &&
	    !(is_pair && flow_is_fresh(forward, pkt->now)))
		return NULL;
	if (is_pair)
		nat_end(forward, pkt);
	else if (!forward && !(pkt->tcp_flags & PACKET_TCP_RST))
		nat_rebuild(table, entry, pkt);
	return entry;
}

static __always_inline enum loom_verdict
nat_send_reply(loom_ctx *ctx, struct packet *pkt, struct loom_flow_entry *entry)
{
	const struct loom_interface *iface;
	struct next_hop hop = { .ifindex = entry->peer_ifindex };
	struct loom_flow to = flow_reverse(&entry->other);
	enum loom_verdict verdict;

	if (pkt->ttl <= 1)
		return LOOM_DROP_TTL_EXCEEDED;
	iface = interface_lookup(hop.ifindex);
	if (!iface)
		return LOOM_ABORT_REDIRECT_FAILED;
	__builtin_memcpy(hop.dmac, entry->peer_mac, ETH_ALEN);
	__builtin_memcpy(hop.smac, iface->mac, ETH_ALEN);

	flow_touch(entry, pkt);
	verdict = nat_send(ctx, pkt, &to, &hop);
	if (verdict)
		return verdict;
	pkt->egress = hop.ifindex;
	return next_hop_is_ingress(&hop, pkt) ? LOOM_REPLY_TX
					      : LOOM_REPLY_REDIRECT;
}

static __always_inline bool nat_is_handover(void)
{
	__u32 zero = 0;
	const struct loom_settings *settings;

	settings = bpf_map_lookup_elem(&loom_settings, &zero);
	return settings && settings->flags & LOOM_SETTING_HANDOVER;
}

/* CONTINUE: not a reply to one of our flows. While flows are being copied from
 * an older table, one we do not find may still come.
 */
static __always_inline enum loom_verdict
nat_reply(loom_ctx *ctx, struct packet *pkt, const struct loom_vip *vip)
{
	__u16 port = bpf_ntohs(pkt->flow.dport);
	struct loom_flow_entry *entry;

	if (!(vip->flags & LOOM_VIP_F_NAT) || port < loom_config.nat_port_min ||
	    port > loom_config.nat_port_max)
		return LOOM_CONTINUE;
	entry = nat_find_reply(FLOW_CONFIRMED, pkt);
	if (!entry)
		entry = nat_find_reply(FLOW_PROBATION, pkt);
	if (entry)
		return nat_send_reply(ctx, pkt, entry);
	return nat_is_handover() ? LOOM_DROP_NO_FLOW : LOOM_CONTINUE;
}
