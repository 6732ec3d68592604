#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Every way to reach a backend, with real clients and servers: nat, ipip, gue and none, IPv4 and
# IPv6, and the mixed families of the tunnels.  modes_test.sh one-armed|two-armed
#   LOOM_CONNECTIONS  per mode; default 1000
source "$(dirname "$0")/lib.sh"

arms=${1:-one-armed}
connections=${LOOM_CONNECTIONS:-1000}
# Fewer than 40, and now and then one of three backends gets none of them.
questions=$((connections < 200 ? 40 : connections / 5))
echo_port=7777

# name, VIP, address prefix of the backends, forwarding, encap
modes="
nat-4    198.51.100.1     10.0.1.         nat
nat-6    2001:db8:100::1  2001:db8:1::    nat
ipip-44  198.51.100.2     10.0.1.         dsr ipip
ipip-66  2001:db8:100::2  2001:db8:1::    dsr ipip
ipip-46  198.51.100.3     2001:db8:1::    dsr ipip
ipip-64  2001:db8:100::3  10.0.1.         dsr ipip
gue-44   198.51.100.4     10.0.1.         dsr gue
gue-66   2001:db8:100::4  2001:db8:1::    dsr gue
gue-46   198.51.100.5     2001:db8:1::    dsr gue
gue-64   2001:db8:100::5  10.0.1.         dsr gue
none-4   198.51.100.6     10.0.1.         dsr none
none-6   2001:db8:100::6  2001:db8:1::    dsr none
"

print_service() {
  local name=$1 vip=$2 prefix=$3 forwarding=$4 encap=${5:-}
  printf '    - name: %s\n      vips: ["%s"]\n' "$name" "$vip"
  printf '      ports: [80, { port: %s, protocol: udp }]\n      forwarding: %s\n' \
    "$echo_port" "$forwarding"
  [ -z "$encap" ] || printf '      encap: { type: %s }\n' "$encap"
  printf '      backends:\n'
  printf '        - { address: "%s%s" }\n' "$prefix" 10 "$prefix" 11 "$prefix" 12
}

start_backends() {
  local i vips
  vips=$(awk '$4 == "dsr" { print $2 }' <<<"$modes")
  for i in 1 2 3; do
    # shellcheck disable=SC2086 # a list
    own_vips "b$i" $vips
    # shellcheck disable=SC2086
    decap "b$i" $vips
    spawn "b$i" "echo-b$i" "$bed_build/tests/tools/udp_echo" serve "$echo_port" "b$i"
    web "b$i"
  done
}

# start_captures: what backend 1 and the client send and receive, on the wire.
start_captures() {
  spawn switch capture-b1 "$bed_build/tests/tools/capture_check" p-b1 600
  capture_pids=("$spawned")
  spawn client capture-client "$bed_build/tests/tools/capture_check" eth0 600
  capture_pids+=("$spawned")
  wait_for 5 grep -q capturing "$bed_dir/log/capture-b1"
  wait_for 5 grep -q capturing "$bed_dir/log/capture-client"
}

captures_are_clean() {
  local status=0 pid
  for pid in "${capture_pids[@]}"; do
    kill -TERM "$pid"
    wait "$pid" || status=1
  done
  for place in b1 client; do
    printf '         at %s:           good    bad partial unset\n' "$place"
    sed 1d "$bed_dir/log/capture-$place" | sed 's/^/           /'
  done
  return "$status"
}

# saw PLACE WHAT: the capture had such packets; else its cleanness says nothing about them.
saw() { grep -qE "^$2 +[1-9]" "$bed_dir/log/capture-$1"; }

# Everything XDP was given, counted by the driver.
frames_received() {
  local interface
  for interface in eth0 $([ "$arms" = one-armed ] || echo eth1); do
    on lb ethtool -S "$interface"
  done | awk '/rx_queue_[0-9]+_xdp_packets:/ { s += $2 } END { print s }'
}

# Between two equal readings nothing arrived, so the metrics between them belong to both.
frames_and_verdicts() {
  local before after verdicts try
  for try in $(seq 50); do
    before=$(frames_received)
    verdicts=$(metric '^loom_ebpf_packets_total')
    after=$(frames_received)
    [ "$before" != "$after" ] || break
    sleep 0.1
  done
  [ "$try" -lt 50 ] || echo "         never quiet" >&2
  echo "$after $verdicts"
}

# shares_are_fair ANSWERS: each backend within 4 sigma of a third of the connections.
shares_are_fair() {
  awk -v n="$connections" '
    { sum += $2; d = $2 - n / 3; if (d * d > 16 * n * 2 / 9) unfair = unfair " " $0 }
    END { exit !(NR == 3 && sum == n && unfair == "") }' <<<"$1"
}

# The three shares of the slots differ from a third by less than two slots.
slots_are_fair() {
  api GET "/ebpf/services/$1" |
    json "'fair' if len(d['backends']) == 3 and all(abs(b['slot_ratio'] - 1/3) * 65537 < 2 for b in d['backends']) else [b['slot_ratio'] for b in d['backends']]" |
    { read -r verdict && equal "$verdict" fair; }
}

check_mode() {
  local name=$1 vip=$2 answers echoes started=$SECONDS
  answers=$(browse "$vip" "$connections") || true
  check "$name: $connections connections, each answered: $(tr '\n' ' ' <<<"$answers")($((SECONDS - started)) s)" \
    equal "$(sum "$answers")" "$connections"
  check "$name: shares within 4 sigma of a third" shares_are_fair "$answers"
  check "$name: slot shares within 2 of 65537" slots_are_fair "$name"
  echoes=$(on client "$bed_build/tests/tools/udp_echo" ask "$vip" "$echo_port" "$questions") || true
  check "$name: $questions UDP questions, each answered: $(tr '\n' ' ' <<<"$echoes")" \
    equal "$(sum "$echoes")" "$questions"
}

case $arms in
  one-armed) bed_one_armed 3 ;;
  two-armed) bed_two_armed 3 ;;
  *) echo "usage: modes_test.sh one-armed|two-armed" >&2; exit 2 ;;
esac
start_backends
config=$(modes_config "$arms" "$modes")
base=$(frames_received)
start_captures
loomd_start "$config"

say "$arms: $(awk 'NF' <<<"$modes" | wc -l) services"
while read -r name vip _; do
  [ -z "$name" ] || check_mode "$name" "$vip"
done <<<"$modes"

say "checksums on the wire"
check "no bad and no missing checksum" captures_are_clean
for what in tcp4 tcp6 udp4 udp6; do check "the client's capture had $what" saw client "$what"; done
for outer in ipip4 ipip6 gue4 gue6; do
  for inner in tcp4 tcp6 udp4 udp6; do
    check "the backend's capture had $inner in $outer" saw b1 "$outer/$inner"
  done
done

say "packets"
read -r frames verdicts <<<"$(frames_and_verdicts)"
check "forward + drop + pass ($verdicts) is what the interface received" \
  equal "$verdicts" $((frames - base))
check "no packet dropped" equal "$(metric '^loom_ebpf_packets_total.action="drop"')" 0
bed_finish
