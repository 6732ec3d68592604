/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* What the datapath answers by itself, and how often. Not the hot path: it runs
 * when that has found no way on.
 */
#pragma once

#include <linux/bpf.h>
#include <linux/in.h>
#include <stdbool.h>
#include <bpf/bpf_endian.h>
#include <bpf/bpf_helpers.h>

#include "addr.h"
#include "encap.h"
#include "loom/abi.h"
#include "loom/verdict.h"
#include "maps.h"
#include "nat.h"
#include "offload.h"
#include "packet.h"
#include "reply.h"
#include "service.h"

/* ---- may we ------------------------------------------------------------- */

/* Tokens are counted in parts of 1/hz, so that a tick's worth is a whole number
 * of them. Not atomic: one per CPU.
 */
static __always_inline bool answer_is_in_rate(void)
{
	__u64 full = (__u64)loom_config.answer_rate * loom_config.hz;
	__u64 now = bpf_jiffies64();
	struct loom_bucket *bucket;
	__s64 elapsed;
	__u32 zero = 0;

	bucket = bpf_map_lookup_elem(&loom_buckets, &zero);
	if (!bucket)
		return false;
	elapsed = now - bucket->refilled;
	if (elapsed > loom_config.hz)
		elapsed = loom_config.hz;
	if (elapsed > 0) {
		bucket->tokens += elapsed * loom_config.answer_rate;
		bucket->refilled = now;
	}
	if (bucket->tokens > full)
		bucket->tokens = full;
	if (bucket->tokens < loom_config.hz)
		return false;
	bucket->tokens -= loom_config.hz;
	return true;
}

/* RFC 1122 3.2.2, RFC 4443 2.4 (e): the source must name one host. */
static __always_inline bool answer_has_sender(const struct packet *pkt)
{
	const struct loom_addr *src = &pkt->flow.src;
	__u32 first;

	if (!pkt->is_v4)
		return !addr_is_zero(src) && bpf_ntohl(src->w[0]) >> 24 != 0xff;
	first = bpf_ntohl(src->w[3]) >> 24;
	return first != 0 && first != 127 && first < 224;
}

/* ---- which answer ---------------------------------------------------------
 */

/* For a verdict that balance() came to, the answer that is due instead; or the
 * verdict itself.
 */
static __always_inline enum loom_verdict
answer_no_backend(const struct packet *pkt)
{
	struct loom_listener listener;
	const struct loom_service *service;
	const struct loom_vip *vip;
	__u32 id;

	vip = bpf_map_lookup_elem(&loom_vips, &pkt->flow.dst);
	if (!vip || listener_find(vip, pkt, &listener))
		return LOOM_DROP_NO_BACKEND;
	id = listener.service;
	service = bpf_map_lookup_elem(&loom_services, &id);
	if (!service || service->on_no_backend == LOOM_NO_BACKEND_DROP)
		return LOOM_DROP_NO_BACKEND;
	if (service->on_no_backend == LOOM_NO_BACKEND_PASS)
		return LOOM_PASS_NO_BACKEND;
	if (pkt->flow.proto == IPPROTO_UDP)
		return LOOM_REPLY_UNREACHABLE;
	return pkt->tcp_flags & PACKET_TCP_RST ? LOOM_DROP_NO_BACKEND
					       : LOOM_REPLY_RST;
}

/* While flows are being copied from an older table, this one may still come. */
static __always_inline enum loom_verdict
answer_no_flow(const struct packet *pkt)
{
	if (pkt->flow.proto != IPPROTO_TCP || pkt->tcp_flags & PACKET_TCP_RST ||
	    nat_is_handover())
		return LOOM_DROP_NO_FLOW;
	return LOOM_REPLY_RST;
}

/* 0: the sender cannot help it. Below IPv6's least MTU it may not go. */
static __always_inline __u32 answer_mtu(const struct packet *pkt,
					__u32 backend_id)
{
	const struct loom_backend *backend;
	__u32 mtu;

	backend = bpf_map_lookup_elem(&loom_backends, &backend_id);
	if (!backend || (pkt->is_v4 && pkt->may_fragment))
		return 0;
	mtu = backend->mtu ? backend->mtu : ENCAP_MAX_PACKET;
	mtu -= encap_overhead(backend);
	if (!pkt->is_v4 && mtu < REPLY_V6_MAX)
		mtu = REPLY_V6_MAX;
	return mtu < packet_wire_len(pkt, 0) ? mtu : 0;
}

static __always_inline enum loom_verdict
answer_choose(const struct packet *pkt, enum loom_verdict verdict, __u32 *mtu)
{
	switch (verdict) {
	case LOOM_DROP_TTL_EXCEEDED:
		return LOOM_REPLY_TIME_EXCEEDED;
	case LOOM_DROP_TOO_BIG:
		*mtu = answer_mtu(pkt, pkt->backend);
		return *mtu ? LOOM_REPLY_TOO_BIG : verdict;
	case LOOM_DROP_NO_BACKEND:
		return answer_no_backend(pkt);
	case LOOM_DROP_NO_FLOW:
		return answer_no_flow(pkt);
	default:
		return verdict;
	}
}

/* Type and code of an answer, as one number. */
static __always_inline __u32 answer_kind(enum loom_verdict reply, bool is_v4)
{
	switch (reply) {
	case LOOM_REPLY_TOO_BIG:
		return is_v4 ? 0x0304 : 0x0200;
	case LOOM_REPLY_TIME_EXCEEDED:
		return is_v4 ? 0x0b00 : 0x0300;
	default: /* port unreachable */
		return is_v4 ? 0x0303 : 0x0104;
	}
}

/* The way out of a packet for which balance() found `verdict`. */
static __always_inline enum loom_verdict
answer(loom_ctx *ctx, const struct packet *pkt, enum loom_verdict verdict)
{
	enum loom_verdict reply;
	__u32 mtu = 0;
	int sent;

	reply = answer_choose(pkt, verdict, &mtu);
	if (reply == verdict || reply == LOOM_PASS_NO_BACKEND)
		return reply;
	if (!answer_has_sender(pkt))
		return verdict;
	if (!answer_is_in_rate())
		return verdict == LOOM_DROP_TTL_EXCEEDED
			       ? verdict
			       : LOOM_DROP_RATE_LIMITED;
	sent = reply == LOOM_REPLY_RST
		       ? reply_reset(ctx)
		       : reply_error(ctx, answer_kind(reply, pkt->is_v4), mtu);
	return sent ? reply : LOOM_DROP_NO_HEADROOM;
}
