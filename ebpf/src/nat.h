/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* NAT with source masquerade: the backend sees a connection from us and answers
 * to us.
 *
 * A flow has two entries, one per direction. Each is keyed by the 5-tuple of
 * its packets as they arrive and holds the other's key, so either can be
 * rebuilt from the other, and a packet leaves with the reverse of that other
 * key.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/errno.h>
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
#include "next_hop.h"
#include "packet.h"
#include "select.h"
#include "service.h"

#define NAT_PROBES 16
#define NAT_STRIDE                                                 \
	7919 /* prime: probes of neighbours do not share a cluster \
	      */

/* ---- rewriting --------------------------------------------------------- */

/* The bytes of a flow that L4 checksums cover. */
static __always_inline __u64 nat_sum(const struct loom_flow *flow)
{
	return csum_words(flow, offsetof(struct loom_flow, proto));
}

/* Addresses and hop; leaves cur behind the options. */
static __always_inline bool nat_rewrite_l3(struct cursor *cur,
					   const struct packet *pkt,
					   const struct loom_flow *to)
{
	struct cursor header = *cur;
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (!packet_count_hop(cur, pkt->is_v4))
		return false;
	if (!pkt->is_v4) {
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
	return cursor_skip(cur, pkt->l4_offset - pkt->l3_offset - sizeof(*ip));
}

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

/* The packet leaves as `to`, through hop. */
static __always_inline enum loom_verdict nat_send(struct xdp_md *ctx,
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
	bool done;

	verdict = next_hop_open(ctx, pkt, &frame, &cur);
	if (verdict)
		return verdict;
	if (!nat_rewrite_l3(&cur, pkt, to))
		return LOOM_DROP_BAD_LENGTH;
	done = pkt->flow.proto == IPPROTO_TCP
		       ? nat_rewrite_tcp(&cur, &pkt->flow, to)
		       : nat_rewrite_udp(&cur, &pkt->flow, to);
	return done ? LOOM_CONTINUE : LOOM_DROP_SHORT_L4;
}

/* ---- the pair of entries ----------------------------------------------- */

static __always_inline void nat_set_peer(struct loom_flow_entry *entry,
					 const struct packet *pkt)
{
	__builtin_memcpy(entry->peer_mac, pkt->smac, ETH_ALEN);
	entry->peer_ifindex = pkt->ingress;
}

static __always_inline bool nat_peer_moved(const struct loom_flow_entry *entry,
					   const struct packet *pkt)
{
	return entry->peer_ifindex != pkt->ingress ||
	       !packet_mac_equal(entry->peer_mac, pkt->smac);
}

/* Neither direction has seen a packet in time. */
static __always_inline bool nat_is_expired(const struct loom_flow *key,
					   const struct loom_flow_entry *entry,
					   __u64 now)
{
	const struct loom_flow_entry *pair;

	if (flow_is_fresh(entry, now))
		return false;
	pair = bpf_map_lookup_elem(&loom_flows, &entry->other);
	return !pair || !flow_equal(&pair->other, key) ||
	       !flow_is_fresh(pair, now);
}

/* 0 if the reply entry is now in the table and its port ours. */
static __always_inline int nat_claim(const struct loom_flow *key,
				     const struct loom_flow_entry *reply)
{
	const struct loom_flow_entry *holder;
	int err = flow_store(key, reply, BPF_NOEXIST);

	if (err != -EEXIST)
		return err;
	holder = bpf_map_lookup_elem(&loom_flows, key);
	if (!holder)
		return -EEXIST;
	if (!flow_equal(&holder->other, &reply->other) &&
	    !nat_is_expired(key, holder, reply->created))
		return -EEXIST;
	return flow_store(key, reply, BPF_ANY);
}

/* Finds a free port: key->dport. Not inlined: the verifier walks the probes
 * once per way to get here as it is, and the caller's stack is full.
 */
static __noinline int nat_claim_port(struct loom_flow *key,
				     const struct loom_flow_entry *reply)
{
	__u32 min = loom_config.nat_port_min;
	__u32 range = loom_config.nat_port_max - min + 1;
	__u32 hash = flow_hash(&reply->other);
	int err = -EEXIST;

	for (__u32 i = 0; i < NAT_PROBES && err == -EEXIST; i++) {
		key->dport = bpf_htons(min + (hash + i * NAT_STRIDE) % range);
		err = nat_claim(key, reply);
	}
	return err;
}

/* Both entries of a new flow. If only the reply entry could be stored, the
 * first reply rebuilds the other.
 */
static __always_inline enum loom_verdict
nat_open(struct packet *pkt, const struct selection *sel, struct loom_flow *key)
{
	const struct loom_backend *backend = sel->backend;
	struct loom_flow_entry entry;

	*key = (struct loom_flow){
		.src = backend->addr,
		.dst = backend->source,
		.sport = backend->port ? backend->port : pkt->flow.dport,
		.proto = pkt->flow.proto,
	};
	flow_init(&entry, pkt);
	entry.backend = sel->backend_id;
	entry.generation = backend->generation;
	nat_set_peer(&entry, pkt);

	entry.other = pkt->flow;
	entry.packets = 0;
	entry.bytes = 0;
	entry.flags = LOOM_FLOW_F_REPLY;
	if (nat_claim_port(key, &entry))
		return LOOM_DROP_NO_NAT_PORT;

	entry.other = *key;
	entry.packets = 1;
	entry.bytes = pkt->frame_len;
	entry.flags = 0;
	flow_store(&pkt->flow, &entry, BPF_ANY);
	pkt->new_flow = true;
	return LOOM_CONTINUE;
}

/* Puts the other direction's entry back after it was evicted. An RST is not
 * worth it. -EEXIST: the key belongs to another flow by now.
 */
static __always_inline int nat_rebuild(const struct loom_flow_entry *from,
				       const struct packet *pkt)
{
	struct loom_flow_entry entry = *from;
	struct loom_flow key = from->other;

	if (pkt->tcp_flags & PACKET_TCP_RST)
		return 0;
	entry.other = pkt->flow;
	entry.packets = 0;
	entry.bytes = 0;
	entry.flags ^= LOOM_FLOW_F_REPLY;
	return flow_store(&key, &entry, BPF_NOEXIST);
}

/* A later packet of a flow in the table. */
static __always_inline enum loom_verdict
nat_continue(struct packet *pkt, const struct selection *sel,
	     struct loom_flow *key)
{
	struct loom_flow_entry *entry = sel->entry;
	struct loom_flow_entry *reply = sel->reply;

	if (reply && flow_is_reopened(entry, pkt))
		reply->state = LOOM_STATE_SYN_SENT;
	flow_touch(entry, pkt);
	if (nat_peer_moved(entry, pkt)) {
		nat_set_peer(entry, pkt);
		if (reply)
			nat_set_peer(reply, pkt);
	}
	if (!reply && nat_rebuild(entry, pkt) == -EEXIST)
		return LOOM_DROP_NO_FLOW;
	*key = entry->other;
	return LOOM_CONTINUE;
}

/* ---- client to backend ------------------------------------------------- */

static __always_inline enum loom_verdict
nat_forward(struct xdp_md *ctx, struct packet *pkt, const struct selection *sel,
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
nat_find_reply(const struct packet *pkt)
{
	struct loom_flow_entry *entry, *forward;
	const struct loom_backend *backend;
	__u32 id;

	entry = bpf_map_lookup_elem(&loom_flows, &pkt->flow);
	if (!entry || !(entry->flags & LOOM_FLOW_F_REPLY))
		return NULL;
	id = entry->backend;
	backend = bpf_map_lookup_elem(&loom_backends, &id);
	if (!backend || backend->generation != entry->generation)
		return NULL;

	forward = bpf_map_lookup_elem(&loom_flows, &entry->other);
	if (!flow_is_fresh(entry, pkt->now) &&
	    !(forward && flow_equal(&forward->other, &pkt->flow) &&
	      flow_is_fresh(forward, pkt->now)))
		return NULL;
	if (!forward)
		nat_rebuild(entry, pkt);
	return entry;
}

static __always_inline enum loom_verdict
nat_send_reply(struct xdp_md *ctx, struct packet *pkt,
	       struct loom_flow_entry *entry)
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
nat_reply(struct xdp_md *ctx, struct packet *pkt, const struct loom_vip *vip)
{
	__u16 port = bpf_ntohs(pkt->flow.dport);
	struct loom_flow_entry *entry;

	if (!(vip->flags & LOOM_VIP_F_NAT) || port < loom_config.nat_port_min ||
	    port > loom_config.nat_port_max)
		return LOOM_CONTINUE;
	entry = nat_find_reply(pkt);
	if (entry)
		return nat_send_reply(ctx, pkt, entry);
	return nat_is_handover() ? LOOM_DROP_NO_FLOW : LOOM_CONTINUE;
}
