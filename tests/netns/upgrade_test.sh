#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# A new version whose program has one more field in a map takes over under traffic, and the old
# version takes back: no connection breaks.
#   upgrade_test.sh [native|tc]
source "$(dirname "$0")/lib.sh"

connections=${LOOM_CONNECTIONS:-200}
program=${1:-native}
transfer_port=7000
nat_vip=198.51.100.1
dsr_vip=198.51.100.2
other=${LOOM_UPGRADE_LOOMD:-$bed_root/build/upgrade/lb/daemon/loomd}

[ -x "$other" ] || skip "no second build of loomd at $other (scripts/build upgrade)"
bed_one_armed 2
for i in 1 2; do
  own_vips "b$i" "$dsr_vip"
  decap "b$i" "$dsr_vip"
  web "b$i"
  spawn "b$i" "transfer-b$i" "$bed_build/tests/tools/transfer" serve "$transfer_port" "b$i"
done
xdp='{ interfaces: [eth0], mode: native }'
[ "$program" = native ] || xdp=$'{ interfaces: [eth0] }\n  mode: tc'
config=$(loomd_config <<END
ebpf:
  xdp: $xdp
  services:
    - name: nat
      vips: [$nat_vip]
      ports: [80, $transfer_port]
      forwarding: nat
      backends: [{ address: 10.0.1.10 }, { address: 10.0.1.11 }]
    - name: dsr
      vips: [$dsr_vip]
      ports: [80, $transfer_port]
      forwarding: dsr
      encap: { type: ipip }
      backends: [{ address: 10.0.1.10 }, { address: 10.0.1.11 }]
END
)

program_id() {
  if [ "$program" = native ]; then
    on lb ip -j link show eth0 | json "d[0].get('xdp', {}).get('prog', {}).get('id', 0)"
  else
    tc -n "$bed-lb" filter show dev eth0 ingress | awk '/name loom_tc/ { sub(/.* id /, ""); id = $1 } END { print id + 0 }'
  fi
}

# change_to BINARY SIGNAL: the running daemon ends, the other one starts.
change_to() {
  local before
  before=$(program_id)
  loomd_stop "$2"
  LOOMD=$1 loomd_start "$config" "${four[@]}"
  check "another program is attached" [ "$(program_id)" != "$before" ]
  check "still attached" [ "$(program_id)" != 0 ]
  sleep 1.5
}

# What the driver or the qdisc handed to the program, and what the program counted.
received() {
  if [ "$program" = native ]; then
    on lb ethtool -S eth0 | awk '/rx_queue_[0-9]+_xdp_packets/ { s += $2 } END { print s + 0 }'
  else
    tc -n "$bed-lb" -s -j qdisc show dev eth0 clsact | json "d[0]['packets']"
  fi
}
counted() { metric '^loom_ebpf_packets_total'; }

loomd_start "$config" "${four[@]}"
say "$connections connections through nat, as many through dsr"
for service in nat dsr; do
  vip=${service}_vip
  spawn client "transfer-$service" "$bed_build/tests/tools/transfer" run "${!vip}" "$transfer_port" \
    "$connections" 240
  pids+=("$spawned")
done
for service in nat dsr; do
  check "$service: all connected" wait_for 8 grep -qx "connected $connections" "$bed_dir/log/transfer-$service"
done
packets=$(metric '^loom_ebpf_packets_total.action="forward"')

say "upgrade after SIGTERM"
change_to "$other" TERM
check "counters went on" [ "$(metric '^loom_ebpf_packets_total.action="forward"')" -gt "$packets" ]
say "downgrade after SIGKILL"
change_to "$bed_build/lb/daemon/loomd" KILL
check "counters went on" [ "$(metric '^loom_ebpf_packets_total.action="forward"')" -gt "$packets" ]

kill "${pids[@]}"
wait "${pids[@]}" || true
sleep 0.5
check "every packet was counted once ($(received))" equal "$(counted)" "$(received)"
for service in nat dsr; do
  sed -n "s/^b/         $service: b/p" "$bed_dir/log/transfer-$service"
  check "$service: none of $connections broke" \
    equal "$(awk '$1 == "total" { print $2, $3 }' "$bed_dir/log/transfer-$service")" "$connections 0"
  vip=${service}_vip
  check "$service: new connections" \
    equal "$(sum "$(browse "${!vip}" 100)")" 100
done
bed_finish
