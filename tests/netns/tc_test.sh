#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What is not plain forwarding, with packets whose checksums are not filled in when they arrive:
# answers, an unresolved next hop, and that every packet is counted once. Through TC alone and
# through TC beside XDP.
#   tc_test.sh tc|native|generic
source "$(dirname "$0")/lib.sh"

program=${1:-tc}

make_config() {
  local ebpf="{ interfaces: [eth0], mode: $program }"
  [ "$program" != tc ] || ebpf=$'{ interfaces: [eth0] }\n  mode: tc'
  loomd_config <<END
ebpf:
  xdp: $ebpf
  services:
    - { name: echo-4, vips: [198.51.100.1], ports: [{ port: 7, protocol: udp }],
        backends: [{ address: 10.0.1.10 }] }
    - { name: echo-6, vips: ["2001:db8:100::1"], ports: [{ port: 7, protocol: udp }],
        backends: [{ address: "2001:db8:1::10" }] }
    - { name: tunnel-4, vips: [198.51.100.3], ports: [80, { port: 7, protocol: udp }],
        forwarding: dsr, encap: { type: ipip }, backends: [{ address: 10.0.1.10 }] }
    - { name: none-4, vips: [198.51.100.2], ports: [80, { port: 53, protocol: udp }],
        on_no_backend: reject, backends: [{ address: 10.0.1.10, state: maint }] }
    - { name: none-6, vips: ["2001:db8:100::2"], ports: [80, { port: 53, protocol: udp }],
        on_no_backend: reject, backends: [{ address: "2001:db8:1::10", state: maint }] }
END
}

ask() { on client python3 "$(dirname "$0")/ask.py" "$@"; }

filters() { tc -n "$bed-lb" filter show dev eth0 ingress; }

# What the interface gave to the first of our programs.
received() {
  if [ "$program" = native ]; then
    on lb ethtool -S eth0 | awk '/rx_queue_[0-9]+_xdp_packets/ { s += $2 } END { print s + 0 }'
  else
    tc -n "$bed-lb" -s -j qdisc show dev eth0 clsact | json "d[0]['packets']"
  fi
}

# The difference stays what it was only if each packet that comes is counted, and once.
uncounted() { echo $(($(received) - $(metric '^loom_ebpf_packets_total'))); }
counted_exactly() { [ "$(uncounted)" = "$1" ]; }

case $program in
  tc | native | generic) ;;
  *) echo "usage: tc_test.sh tc|native|generic" >&2; exit 2 ;;
esac
bed_one_armed 1
for place in "client eth0" "switch p-client" "b1 eth0" "switch p-b1" "switch p-lb"; do
  # shellcheck disable=SC2086 # name and interface
  set -- $place
  on "$1" ethtool -K "$2" tx on gso on gro on >/dev/null 2>&1 || true
done
# Whatever checksum is missing is filled in here, and so verified by who gets the packet.
on lb ethtool -K eth0 tx off >/dev/null
on lb sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
spawn b1 echo "$bed_build/tests/tools/udp_echo" serve 7 b1
# A filter of somebody else, before ours.
on lb tc qdisc add dev eth0 clsact
on lb tc filter add dev eth0 ingress prio 10 handle 1 bpf da bytecode '1,6 0 0 4294967295'
config=$(make_config)

say "$program, rule 20: the next hop has never been resolved"
ip -n "$bed-switch" link set p-b1 down
loomd_start "$config"
ask udp 198.51.100.1 7 >"$bed_dir/late" &
asking=$!
sleep 0.3
ip -n "$bed-switch" link set p-b1 up
wait "$asking"
check "the only packet waits for it and arrives" equal "$(cat "$bed_dir/late")" "b1 once"
check "none was dropped" equal "$(metric '^loom_drops_total.reason="no_next_hop"')" 0

say "forwarded"
check "echo over IPv4" equal "$(ask udp 198.51.100.1 7)" "b1 once"
check "echo over IPv6" equal "$(ask udp 2001:db8:100::1 7)" "b1 once"

say "answers"
for vip in 198.51.100.2 2001:db8:100::2; do
  check "$vip: a SYN without backend is refused" equal "$(ask tcp $vip 80)" ECONNREFUSED
  check "$vip: so is a datagram" equal "$(ask udp $vip 53)" ECONNREFUSED
done
check "a datagram on its last hop is answered" \
  equal "$(ask udp 198.51.100.1 7 1)" EHOSTUNREACH
check "over IPv6 too" equal "$(ask udp 2001:db8:100::1 7 1)" EHOSTUNREACH
check "ping over IPv4" quietly on client ping -c 1 -W 2 198.51.100.1
check "ping over IPv6" quietly on client ping -c 1 -W 2 2001:db8:100::1

# Nobody counts what generic XDP is given.
if [ "$program" != generic ]; then
  say "rule 32: every packet is counted once"
  sleep 1
  before=$(uncounted)
  on client "$bed_build/tests/tools/udp_echo" ask 198.51.100.1 7 200 >/dev/null
  for _ in 1 2 3 4 5; do ask tcp 198.51.100.2 80 >/dev/null; done
  on client ping -q -c 5 -i 0.1 198.51.100.1 >/dev/null
  check "answers, forwarded and passed" wait_for 5 counted_exactly "$before"
fi

say "other filters"
check "are left alone" quietly grep -q "pref 10 bpf.*handle 0x1" <<<"$(filters)"
loomd_stop
sed -i 's/^runtime: {/runtime: { on_exit: detach,/' "$config"
loomd_start "$config"
loomd_stop
check "ours goes with a detach" equal "$(filters | grep -c loom_tc || true)" 0
check "the other one stays" quietly grep -q "pref 10 bpf.*handle 0x1" <<<"$(filters)"
bed_finish
