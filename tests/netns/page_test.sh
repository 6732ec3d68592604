#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The complete example of the Loom page, with only the name of the interface changed, balances
# ports 80 and 443 of the interface's address to 8080 of two backends.
source "$(dirname "$0")/lib.sh"

example=$bed_root/tests/unit/config/page/16-complete-example.yaml
[ -f "$example" ] || { echo "no $example" >&2; exit 1; }

bed_one_armed 3
ip -n "$bed-lb" link set eth0 down
ip -n "$bed-lb" link set eth0 name edge0
ip -n "$bed-lb" link set edge0 up
ip -n "$bed-lb" addr add 2001:db8:1::1/64 dev edge0 nodad # lost with the link
web b1 8080
web b2 8080
web b3 8080
sed 's/interface: eth0/interface: edge0/' "$example" >"$bed_dir/page.yaml"

# The default paths of the product, private to the daemon: bpffs and state directory.
private=(unshare --mount sh -c
  'mount -t bpf bpf /sys/fs/bpf && mount -t tmpfs tmpfs /var/lib && exec "$@"' sh)

say "the page's complete example"
check "one line differs from the page" equal "$(diff "$example" "$bed_dir/page.yaml" | grep -c '^>')" 1
loomd_start "$bed_dir/page.yaml" "${private[@]}"
for port in 80 443; do
  answers=$(on client curl -sS --connect-timeout 3 -H 'Connection: close' \
    "http://10.0.1.1:$port/?[1-200]" | sort | uniq -c | awk '{ print $2, $1 }') || true
  check "port $port: 200 connections: $(tr '\n' ' ' <<<"$answers")" equal "$(sum "$answers")" 200
  check "port $port: both backends" equal "$(wc -l <<<"$answers")" 2
done
check "the program is attached in the driver" \
  equal "$(on lb ip -j link show edge0 | json "d[0]['xdp']['mode']")" 1
check "ports of the host itself still answer (ping)" quietly on client ping -c 1 -W 2 10.0.1.1
# who PORT: the backends that answer 120 connections, sorted.
who() {
  on client curl -sS --connect-timeout 3 -H 'Connection: close' "http://10.0.1.1:$1/?[1-120]" |
    sort -u | tr '\n' ' '
}
share() { api GET /ebpf/backends | json "round([b['slot_ratio'] for b in d['backends'] if b['id'] == $1][0], 2)"; }

check "the page's first curl line" quietly api POST /ebpf/backends \
  '{"address": "10.0.1.12", "port": 8080, "weight": 100}'
check "the added backend answers" equal "$(who 80)" "b1 b2 b3 "
check "the page's second curl line" quietly api DELETE /ebpf/backends/3
check "the removed backend does not" equal "$(who 80)" "b1 b2 "
check "the page's third curl line" quietly api PATCH /ebpf/backends/1 '{"weight": 50}'
check "the changed backend has a third of the ring" equal "$(share 1)" 0.33
check "the page's metric for a backend" \
  [ "$(metric '^loom_ebpf_backend_packets_total.backend="10.0.1.10:8080"')" -gt 0 ]
bed_finish
