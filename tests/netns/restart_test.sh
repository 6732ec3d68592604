#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The daemon is killed while traffic flows, and comes back: no connection breaks, nothing is
# written anew. It runs with exactly the four capabilities its service unit gives it.
source "$(dirname "$0")/lib.sh"

connections=${LOOM_CONNECTIONS:-200}
transfer_port=7000
nat_vip=198.51.100.1
dsr_vip=198.51.100.2

bed_one_armed 2
for i in 1 2; do
  own_vips "b$i" "$dsr_vip"
  decap "b$i" "$dsr_vip"
  web "b$i"
  spawn "b$i" "transfer-b$i" "$bed_build/tests/tools/transfer" serve "$transfer_port" "b$i"
done

make_config() {
  cat - <<END
ebpf:
  xdp: { interfaces: [eth0], mode: native }
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
      encap: { type: gue }
      backends: [{ address: 10.0.1.10 }, { address: 10.0.1.11 }]
END
}
config=$(make_config | loomd_config)

program_id() { on lb ip -j link show eth0 | json "d[0].get('xdp', {}).get('prog', {}).get('id', 0)"; }
logged() { grep -q -- "$1" "$bed_dir/log/loomd"; }
capabilities() { awk '/^CapBnd:/ { print $2 }' "/proc/$1/status"; }
answered() { equal "$(sum "$(browse "$1" "$2")")" "$2"; }

say "start with four capabilities"
loomd_start "$config" "${four[@]}"
check "bounding set is bpf, net_admin, net_raw, perfmon" equal "$(capabilities "$loomd_pid")" "$four_mask"
check "the first start loads the datapath" logged "datapath loaded"
first_program=$(program_id)
check "an XDP program is attached" [ "$first_program" != 0 ]

say "kill -9 under $connections connections through nat and $connections through dsr"
for service in nat dsr; do
  vip=${service}_vip
  spawn client "transfer-$service" "$bed_build/tests/tools/transfer" run "${!vip}" "$transfer_port" \
    "$connections" 240
  pids+=("$spawned")
done
for service in nat dsr; do
  check "$service: all connected" wait_for 8 grep -qx "connected $connections" "$bed_dir/log/transfer-$service"
done
packets_before=$(metric '^loom_ebpf_packets_total.action="forward"')
loomd_stop KILL
check "the process is gone" [ ! -e "/proc/$loomd_pid" ]
check "nat: new connections without a daemon" answered "$nat_vip" 100
check "dsr: new connections without a daemon" answered "$dsr_vip" 100
sleep 1
say "start again"
loomd_start "$config" "${four[@]}"
check "bounding set is the same four" equal "$(capabilities "$loomd_pid")" "$four_mask"
check "it adopted what was pinned" logged "datapath adopted from pins$"
check "the plan of the start had no step" \
  equal "$(api GET /ebpf/stats | json "d['start']['first_plan_steps'], d['start']['adopted']")" "0 True"
check "the same program is attached" equal "$(program_id)" "$first_program"
check "counters went on" [ "$(metric '^loom_ebpf_packets_total.action="forward"')" -gt "$packets_before" ]
sleep 2
kill "${pids[@]}"
wait "${pids[@]}" || true
for service in nat dsr; do
  sed -n "s/^b/         $service: b/p" "$bed_dir/log/transfer-$service"
  check "$service: none of $connections broke" \
    equal "$(awk '$1 == "total" { print $2, $3 }' "$bed_dir/log/transfer-$service")" "$connections 0"
done

say "other programs over the same maps: a changed answer_rate, under pings and a transfer"
spawn client transfer-reprogram "$bed_build/tests/tools/transfer" run "$nat_vip" "$transfer_port" \
  "$connections" 240
transfer_pid=$spawned
spawn client ping ping -i 0.01 -w 60 "$nat_vip"
ping_pid=$spawned
check "all connected" wait_for 8 grep -qx "connected $connections" "$bed_dir/log/transfer-reprogram"
sed -i 's/^ebpf:/ebpf:\n  answer_rate: 5000/' "$config"
loomd_stop KILL
loomd_start "$config" "${four[@]}"
check "programs are new, maps are not" logged "datapath adopted from pins, with a new program"
check "another program is attached" [ "$(program_id)" != "$first_program" ]
check "the old one and what it called are gone" \
  equal "$(find "$bed_bpf" -name 'loom_xdp_later-*' | wc -l)" 1
sleep 1
kill -INT "$ping_pid"
kill "$transfer_pid"
wait "$ping_pid" "$transfer_pid" || true
check "every ping was answered" grep -q " 0% packet loss" "$bed_dir/log/ping"
check "none of $connections broke" \
  equal "$(awk '$1 == "total" { print $2, $3 }' "$bed_dir/log/transfer-reprogram")" "$connections 0"
first_program=$(program_id)

say "SIGTERM with on_exit: keep (default)"
loomd_stop TERM
check "the program stays" equal "$(program_id)" "$first_program"
check "traffic goes on" answered "$nat_vip" 50

say "SIGTERM with on_exit: detach"
sed -i 's/runtime: {/runtime: { on_exit: detach,/' "$config"
loomd_start "$config" "${four[@]}"
loomd_stop TERM
check "the program is gone" equal "$(program_id)" 0
bed_finish
