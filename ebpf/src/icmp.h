/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* ICMP to a VIP: echo, and errors about packets of our flows. An error goes
 * where the flow goes; it tells nothing else about the flow, because anybody
 * can write one.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <linux/ip.h>
#include <linux/ipv6.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "addr.h"
#include "answer.h"
#include "csum.h"
#include "cursor.h"
#include "dsr.h"
#include "flow.h"
#include "icmp_nat.h"
#include "icmp_quote.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "next_hop.h"
#include "packet.h"
#include "reply.h"
#include "ring.h"
#include "scratch.h"
#include "select.h"
#include "service.h"

#define ICMP_V4_ECHO       8
#define ICMP_V4_ECHO_REPLY 0
#define ICMP_V6_ECHO       128
#define ICMP_V6_ECHO_REPLY 129

/* ---- echo --------------------------------------------------------------- */

static __always_inline bool icmp_is_echo(const struct packet *pkt, __u8 type)
{
	return type == (pkt->is_v4 ? ICMP_V4_ECHO : ICMP_V6_ECHO);
}

/* "Don't fragment" was meant for the way here. On a narrower way back, whose
 * routers would tell the VIP, which keeps nothing to send smaller, it would
 * mean no reply; so hosts do not set it either. The id has to be unique from
 * then on (RFC 6864).
 */
static __always_inline void icmp_echo_may_fragment(struct iphdr *ip)
{
	__be32 old_word, *word = (__be32 *)&ip->id;

	if (!(ip->frag_off & bpf_htons(PACKET_V4_DF)))
		return;
	old_word = *word;
	ip->id = bpf_get_prandom_u32();
	ip->frag_off &= ~bpf_htons(PACKET_V4_DF);
	ip->check = csum_replace(ip->check, old_word, *word);
}

/* Turns the IP header around; leaves cur at the ICMP header. */
static __always_inline bool icmp_echo_ip(struct cursor *cur,
					 const struct packet *pkt)
{
	struct cursor header = *cur;
	__be16 old_word, *word;
	struct ipv6hdr *ip6;
	struct iphdr *ip;

	if (!cursor_skip(cur, pkt->l4_offset - pkt->l3_offset))
		return false;
	if (!pkt->is_v4) {
		ip6 = cursor_take(&header, sizeof(*ip6));
		if (!ip6)
			return false;
		__builtin_memcpy(&ip6->saddr, &pkt->flow.dst, 16);
		__builtin_memcpy(&ip6->daddr, &pkt->flow.src, 16);
		ip6->hop_limit = REPLY_TTL;
		return true;
	}
	ip = cursor_take(&header, sizeof(*ip));
	if (!ip)
		return false;
	word = (__be16 *)&ip->ttl;
	old_word = *word;
	ip->ttl = REPLY_TTL;
	ip->check = csum_replace(ip->check, old_word, *word);
	icmp_echo_may_fragment(ip);
	ip->saddr = pkt->flow.dst.w[3];
	ip->daddr = pkt->flow.src.w[3];
	return true;
}

/* In place. Neither the sum of the addresses nor ICMPv6's pseudo-header changes
 * when source and destination change places.
 */
static __always_inline bool icmp_echo_as(loom_ctx *ctx,
					 const struct packet *pkt)
{
	struct cursor cur = cursor_init(ctx);
	struct next_hop hop;
	const struct next_hop_frame frame = {
		.hop = &hop,
		.ethertype = packet_ethertype(pkt),
	};
	struct reply_icmp *icmp;
	__be16 old_word, *word;
	__sum16 check;

	if (!reply_hop(ctx, pkt, &hop) || !next_hop_write(&cur, pkt, &frame))
		return false;
	cur = cursor_init(ctx);
	if (!cursor_skip(&cur, pkt->l3_offset) || !icmp_echo_ip(&cur, pkt))
		return false;
	icmp = cursor_take(&cur, sizeof(*icmp));
	if (!icmp)
		return false;
	word = (__be16 *)icmp;
	old_word = *word;
	icmp->type = pkt->is_v4 ? ICMP_V4_ECHO_REPLY : ICMP_V6_ECHO_REPLY;
	check = csum_replace(icmp->check, old_word, *word);
	/* A reply of nothing but zeros adds up to 0, all others to 0xffff. */
	icmp->check = check ? check : 0xffff;
	return true;
}

/* 0: the packet is not all there. */
__noinline int icmp_echo_reply(loom_ctx *ctx)
{
	const struct scratch *scratch = scratch_get();
	struct packet pkt;

	if (!scratch)
		return 0;
	if (scratch->pkt.is_v4) {
		pkt = scratch_packet(scratch, true);
		return icmp_echo_as(ctx, &pkt);
	}
	pkt = scratch_packet(scratch, false);
	return icmp_echo_as(ctx, &pkt);
}

static __always_inline enum loom_verdict
icmp_echo(loom_ctx *ctx, const struct packet *pkt, const struct loom_vip *vip)
{
	if (vip->flags & LOOM_VIP_F_ECHO_DROP)
		return LOOM_DROP_ECHO;
	if (!(vip->flags & LOOM_VIP_F_ECHO_REPLY))
		return LOOM_PASS_ICMP;
	if (!answer_has_sender(pkt))
		return LOOM_DROP_ECHO;
	return icmp_echo_reply(ctx) ? LOOM_REPLY_ECHO : LOOM_DROP_BAD_LENGTH;
}

/* ---- errors about a backend's own packets (DSR) ------------------------- */

/* The flow's entry, in one table or the other, names a backend that can still
 * have it.
 */
static __always_inline bool icmp_remembers(const struct packet *pkt,
					   __u32 service_id,
					   struct selection *sel)
{
	select_known(FLOW_CONFIRMED, pkt, sel);
	if (sel->entry && select_stays(service_id, sel))
		return true;
	select_known(FLOW_PROBATION, pkt, sel);
	return sel->entry && select_stays(service_id, sel);
}

/* Like select_backend(), but takes no turn and leaves no trace: nothing of the
 * flow's packet was seen here.
 */
static __always_inline enum loom_verdict
icmp_select_backend(const struct packet *pkt, __u32 service_id,
		    struct selection *sel)
{
	const struct loom_service *service;
	loom_slot slot;

	service = bpf_map_lookup_elem(&loom_services, &service_id);
	if (!service || !service->forwarding)
		return LOOM_DROP_NO_BACKEND;
	if (!select_forgets(service) && icmp_remembers(pkt, service_id, sel))
		return LOOM_CONTINUE;
	slot = ring_lookup(service_id,
			   select_slot(service_id, service, pkt, true));
	sel->backend_id = select_owner(service_id, slot, pkt);
	sel->backend = bpf_map_lookup_elem(&loom_backends, &sel->backend_id);
	return sel->backend && sel->backend->forwarding ? LOOM_CONTINUE
							: LOOM_DROP_NO_BACKEND;
}

/* From here on pkt->flow is the client's: what is chosen by flow, a tunnel's
 * source port among it, is chosen as for the client's packets.
 */
static __always_inline enum loom_verdict
icmp_select(struct packet *pkt, const struct scratch_quote *quote,
	    const struct loom_vip *vip, struct selection *sel)
{
	struct loom_listener listener;
	enum loom_verdict verdict;

	pkt->flow = flow_reverse(&quote->flow);
	pkt->now = bpf_jiffies64();
	verdict = listener_find(vip, pkt, &listener);
	if (verdict)
		return verdict;
	verdict = icmp_select_backend(pkt, listener.service, sel);
	if (verdict)
		return verdict;
	pkt->backend = sel->backend_id;
	return select_is_nat(sel->backend) ? LOOM_DROP_NO_FLOW : LOOM_CONTINUE;
}

/* The host may have asked for it: its own traffic from a VIP is not ours. */
static __always_inline enum loom_verdict
icmp_unknown(const struct loom_vip *vip)
{
	return vip_passes_unserved(vip) ? LOOM_PASS_ICMP
					: LOOM_DROP_ICMP_UNKNOWN;
}

static __always_inline enum loom_verdict
icmp_error(loom_ctx *ctx, struct scratch *scratch, const struct loom_vip *vip)
{
	struct selection sel = {};
	enum loom_verdict verdict;

	if (!icmp_read_quote(ctx))
		return icmp_unknown(vip);
	verdict = icmp_nat(ctx, scratch);
	if (verdict)
		return verdict;
	verdict = icmp_select(&scratch->pkt, &scratch->quote, vip, &sel);
	if (verdict == LOOM_PASS_PASSTHROUGH)
		return verdict;
	if (verdict)
		return icmp_unknown(vip);
	return dsr_send(ctx, &scratch->pkt, sel.backend);
}

/* Unreachable, too big, time exceeded, parameter problem. */
static __always_inline bool icmp_is_error(const struct packet *pkt, __u8 type)
{
	if (pkt->is_v4)
		return type == 3 || type == 11 || type == 12;
	return type >= 1 && type <= 4;
}

/* ---- the way out of ICMP to a VIP ---------------------------------------- */

static __always_inline enum loom_verdict icmp(loom_ctx *ctx,
					      struct scratch *scratch)
{
	struct packet *pkt = &scratch->pkt;
	struct cursor cur = cursor_init(ctx);
	const struct reply_icmp *head;
	const struct loom_vip *vip;

	vip = bpf_map_lookup_elem(&loom_vips, &pkt->flow.dst);
	if (!vip || !cursor_skip(&cur, pkt->l4_offset))
		return LOOM_PASS_ICMP;
	head = cursor_take(&cur, sizeof(*head));
	if (!head ||
	    pkt->l4_offset - pkt->l3_offset + sizeof(*head) > pkt->l3_len)
		return LOOM_PASS_ICMP;
	if (icmp_is_echo(pkt, head->type))
		return icmp_echo(ctx, pkt, vip);
	if (icmp_is_error(pkt, head->type))
		return icmp_error(ctx, scratch, vip);
	return LOOM_PASS_ICMP;
}
