/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * An XDP program that passes everything. A veth interface takes in frames that
 * XDP sends to it only if it has an XDP program itself; GRO is not enough.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

SEC("xdp") int pass(struct xdp_md *ctx)
{
	(void)ctx;
	return XDP_PASS;
}

char pass_license[] SEC("license") = "Dual BSD/GPL";
