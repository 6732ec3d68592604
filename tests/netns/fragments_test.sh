#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Datagrams larger than the MTU, both ways, through every kind of service: clients and servers cut
# and join them, Loom sees only pieces.  fragments_test.sh one-armed|two-armed
#   LOOM_DATAGRAMS  per mode and size; default 200
source "$(dirname "$0")/lib.sh"

arms=${1:-one-armed}
datagrams=${LOOM_DATAGRAMS:-200}
echo_port=7777
backends="1 2"

# name, VIP, address prefix of the backends, forwarding, encap
modes="
nat-4    198.51.100.1     10.0.1.         nat
nat-6    2001:db8:100::1  2001:db8:1::    nat
ipip-44  198.51.100.2     10.0.1.         dsr ipip
ipip-66  2001:db8:100::2  2001:db8:1::    dsr ipip
gue-44   198.51.100.4     10.0.1.         dsr gue
gue-66   2001:db8:100::4  2001:db8:1::    dsr gue
gue-46   198.51.100.5     2001:db8:1::    dsr gue
gue-64   2001:db8:100::5  10.0.1.         dsr gue
none-4   198.51.100.6     10.0.1.         dsr none
none-6   2001:db8:100::6  2001:db8:1::    dsr none
"

peer() { on client python3 "$(dirname "$0")/fragment_peer.py" "$@"; }

print_service() {
  local name=$1 vip=$2 prefix=$3 forwarding=$4 encap=${5:-}
  printf '    - name: %s\n      vips: ["%s"]\n' "$name" "$vip"
  printf '      ports: [{ port: %s, protocol: udp }]\n      forwarding: %s\n' \
    "$echo_port" "$forwarding"
  [ -z "$encap" ] || printf '      encap: { type: %s }\n' "$encap"
  printf '      backends: [{ address: "%s" }, { address: "%s" }]\n' "${prefix}10" "${prefix}11"
}

start_backends() {
  local i vips
  vips=$(awk '$4 == "dsr" { print $2 }' <<<"$modes")
  for i in $backends; do
    # shellcheck disable=SC2086 # a list
    own_vips "b$i" $vips
    # shellcheck disable=SC2086
    decap "b$i" $vips
    # shellcheck disable=SC2086
    spawn "b$i" "echo-b$i" python3 "$(dirname "$0")/fragment_peer.py" serve "$echo_port" \
      "10.0.1.$((9 + i))" "2001:db8:1::$((9 + i))" $vips
    wait_for 5 grep -q serving "$bed_dir/log/echo-b$i"
  done
}

dropped() { metric '^loom_ebpf_packets_total.action="drop"'; }
unknown() { metric '^loom_drops_total.reason="fragment_unknown"'; }

check_mode() {
  local name=$1 vip=$2 size
  for size in 4000 9000; do
    check "$name: $datagrams datagrams of $size bytes, each answered in full" \
      equal "$(peer ask "$vip" "$echo_port" "$size" "$datagrams")" "$datagrams"
  done
}

# A second try is another datagram, so that the first leaves it alone.
check_order() {
  local name=$1 vip=$2 before
  before=$(unknown)
  check "$name: the first fragment first" peer pieces "$vip" "$echo_port" first
  check "$name: nothing unknown so far" equal "$(unknown)" "$before"
  check "$name: the later fragment first: no answer" fails peer pieces "$vip" "$echo_port" later
  check "$name: it was counted" equal "$(unknown)" $((before + 1))
}

fails() { ! "$@"; }

case $arms in
  one-armed) bed_one_armed 2 ;;
  two-armed) bed_two_armed 2 ;;
  *) echo "usage: fragments_test.sh one-armed|two-armed" >&2; exit 2 ;;
esac
start_backends
loomd_start "$(modes_config "$arms" "$modes")"

say "$arms: $(awk 'NF' <<<"$modes" | wc -l) services, MTU 1500"
while read -r name vip _; do
  [ -z "$name" ] || check_mode "$name" "$vip"
done <<<"$modes"
check "no packet dropped" equal "$(dropped)" 0
check "the fragments' table is in the metrics" \
  [ "$(metric '^loom_map_entries.map="loom_fragments"')" -gt 0 ]

say "a fragment that comes before the first is dropped, and no other"
while read -r name vip _; do
  case $name in nat-* | gue-*) check_order "$name" "$vip" ;; esac
done <<<"$modes"
check "nothing else was dropped" equal "$(dropped)" "$(unknown)"
bed_finish
