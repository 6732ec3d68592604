#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Backends are added, reweighted and removed while connections transfer: connections to backends
# that stay must not break.
source "$(dirname "$0")/lib.sh"

connections=${LOOM_CONNECTIONS:-200}
transfer_port=7000
nat_vip=198.51.100.1
dsr_vip=2001:db8:100::2

bed_one_armed 4
for i in 1 2 3 4; do
  own_vips "b$i" "$dsr_vip"
  decap "b$i" "$dsr_vip"
  web "b$i"
  spawn "b$i" "transfer-b$i" "$bed_build/tests/tools/transfer" serve "$transfer_port" "b$i"
done

config=$(loomd_config <<END
ebpf:
  xdp: { interfaces: [eth0], mode: native }
  services:
    - name: nat
      vips: [$nat_vip]
      ports: [80, $transfer_port]
      forwarding: nat
      backends: [{ address: 10.0.1.10 }, { address: 10.0.1.11 }, { address: 10.0.1.12 }]
    - name: dsr
      vips: ["$dsr_vip"]
      ports: [80, $transfer_port]
      forwarding: dsr
      encap: { type: ipip }
      backends: [{ address: 10.0.1.10 }, { address: 10.0.1.11 }, { address: 10.0.1.12 }]
END
)
loomd_start "$config"

# backend_id SERVICE ADDRESS
backend_id() {
  api GET /ebpf/backends |
    json "next(b['id'] for b in d['backends'] if (b['service'], b['address']) == ('$1', '$2'))"
}

# start_transfer SERVICE VIP: sets spawned.
start_transfer() {
  spawn client "transfer-$1" "$bed_build/tests/tools/transfer" run "$2" "$transfer_port" \
    "$connections" 60
}

# column SERVICE BACKEND N: a number of the result; 0 where the backend had no connection.
column() { awk -v b="$2" -v n="$3" '$1 == b { v = $n } END { print v + 0 }' "$bed_dir/log/transfer-$1"; }

say "$connections connections through nat, as many through dsr, half of them idle"
start_transfer nat "$nat_vip"
nat_pid=$spawned
start_transfer dsr "$dsr_vip"
dsr_pid=$spawned
for service in nat dsr; do
  check "$service: all connected" wait_for 8 grep -qx "connected $connections" "$bed_dir/log/transfer-$service"
done

sleep 1
say "add b4"
for service in nat dsr; do
  check "$service: added" quietly api POST /ebpf/backends "{\"address\": \"10.0.1.13\", \"service\": \"$service\"}"
done
sleep 2
say "weight of b1: 100 -> 10"
for service in nat dsr; do
  check "$service: changed" quietly api PATCH "/ebpf/backends/$(backend_id "$service" 10.0.1.10)" '{"weight": 10}'
done
sleep 2
say "remove b3"
for service in nat dsr; do
  check "$service: removed" quietly api DELETE "/ebpf/backends/$(backend_id "$service" 10.0.1.12)"
done

say "after the changes"
for vip in "$nat_vip" "$dsr_vip"; do
  answers=$(browse "$vip" 300) || true
  check "$vip: new connections: $(tr '\n' ' ' <<<"$answers")" \
    equal "$(sum "$answers")" 300
  check "$vip: b4 takes its part, b3 nothing, b1 little" \
    awk '{ n[$1] = $2 } END { exit !(n["b4"] > 60 && n["b3"] + 0 == 0 && n["b1"] < n["b2"] / 2) }' <<<"$answers"
done
kill "$nat_pid" "$dsr_pid"
wait "$nat_pid" "$dsr_pid" || true
for service in nat dsr; do
  sed -n "s/^b/         $service: b/p" "$bed_dir/log/transfer-$service"
  for backend in b1 b2; do
    check "$service: $backend had connections" [ "$(column "$service" "$backend" 2)" -gt 0 ]
    check "$service: no connection to $backend broke" equal "$(column "$service" "$backend" 3)" 0
  done
  check "$service: those to b3 did, so a broken one is seen" \
    equal "$(column "$service" b3 3)" "$(column "$service" b3 2)"
  check "$service: every connection got an answer at first" equal "$(column "$service" - 2)" 0
done
bed_finish
