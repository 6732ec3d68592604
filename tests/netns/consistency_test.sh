#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# The flow tables are lost right before each change of a service with Maglev and DSR: connections
# to backends that stay in service must not break, because a changed ring still knows its past.
source "$(dirname "$0")/lib.sh"

connections=${LOOM_CONNECTIONS:-200}
transfer_port=7000
vip=198.51.100.2
window=3

bed_one_armed 4
for i in 1 2 3 4; do
  own_vips "b$i" "$vip"
  decap "b$i" "$vip"
  spawn "b$i" "transfer-b$i" "$bed_build/tests/tools/transfer" serve "$transfer_port" "b$i"
done

make_config() {
  cat - <<END
ebpf:
  xdp:
    interfaces: [eth0]
    mode: native
    protocols: { udp: { session_affinity: { timeout: ${window}s } } }
  conntrack: { timeout: ${window}s, tracking: $1 }
  services:
    - name: web
      vips: [$vip]
      ports: [$transfer_port]
      forwarding: dsr
      encap: { type: gue }
      backends:
        - { address: 10.0.1.10 }
        - { address: 10.0.1.11 }
        - { address: 10.0.1.12 }
END
}

# backend_id ADDRESS
backend_id() { api GET /ebpf/backends | json "next(b['id'] for b in d['backends'] if b['address'] == '$1')"; }
patch() { quietly api PATCH "/ebpf/backends/$(backend_id "$1")" "$2"; }
maps() { echo "$bed_bpf/loom/current/maps/$1"; }

# column BACKEND N: a number of the last result; 0 where the backend had no connection.
column() { awk -v b="$1" -v n="$2" '$1 == b { v = $n } END { print v + 0 }' "$bed_dir/log/transfer"; }

# lose_tables_and WHAT COMMAND...: loses the tables and makes the change under connections that were
# opened before both.
lose_tables_and() {
  local what=$1 pid
  shift
  spawn client transfer "$bed_build/tests/tools/transfer" run "$vip" "$transfer_port" "$connections" 60
  pid=$spawned
  check "$what: all connected" wait_for 8 grep -qx "connected $connections" "$bed_dir/log/transfer"
  sleep 0.5
  quietly "$bed_build/tests/tools/empty_table" "$(maps loom_flows)" "$(maps loom_probation)"
  "$@" || check "$what: done" false
  sleep 2
  kill "$pid"
  wait "$pid" || true
  sed -n 's/^b/         b/p' "$bed_dir/log/transfer"
}

# while_connected WHAT GONE COMMAND...: none may break but those to GONE ("" or a backend).
while_connected() {
  local what=$1 gone=$2 broken
  shift 2
  lose_tables_and "$what" "$@"
  broken=$(($(column total 3) - $([ -n "$gone" ] && column "$gone" 3 || echo 0)))
  check "$what, tables lost: $broken of $connections broken" [ "$broken" = 0 ]
}
# Until nothing is left of the change, and of the connections that live by their entry.
settle() { sleep $((window + 6)); }

begin() {
  say "tracking: $1, W = $window s"
  loomd_start "$(make_config "$1" | loomd_config)"
  # A service that is new, or takes up another way of tracking, is at rest after this.
  sleep 6
}
end() {
  loomd_stop TERM
  rm -rf "$bed_dir/state"
}

add_b4() { quietly api POST /ebpf/backends '{"address": "10.0.1.13"}'; }
remove_b4() { quietly api DELETE "/ebpf/backends/$(backend_id 10.0.1.13)"; }

begin all
while_connected "add b4" "" add_b4
settle
while_connected "drain b2" "" patch 10.0.1.11 '{"state": "drain"}'
end
begin at_risk
while_connected "add b4" "" add_b4
settle
while_connected "weight of b1: 100 -> 20" "" patch 10.0.1.10 '{"weight": 20}'
settle
while_connected "remove b4" b4 remove_b4
end

blind=$bed_root/build/no-past/lb/daemon/loomd
if [ -x "$blind" ]; then
  say "the same with a datapath that is blind to the past: this test can fail"
  LOOMD=$blind
  begin all
  lose_tables_and "add b4" add_b4
  check "connections break: $(column total 3) of $connections" [ "$(column total 3)" -gt 5 ]
  end
else
  say "not shown that this test can fail: no build/no-past (scripts/build no-past)"
fi
bed_finish
