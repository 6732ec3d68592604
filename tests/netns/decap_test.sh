#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# loom decap on a backend host: connections through every tunnel reach a listener on the VIP, by XDP
# and by TC; the lists change under a running transfer; what is not allowed does not come in.
#
#   balancer 10.0.1.1, 2001:db8:1::1 -- eth0 -- 10.0.1.10, 2001:db8:1::10 backend
#       tun0: VIPs, in a tunnel                     lo: VIPs
bed_prefix=loomd
source "$(dirname "$0")/lib.sh"

here=$(cd "$(dirname "$0")" && pwd)
vip4=198.51.100.1 vip6=2001:db8:100::1
pins=$bed_bpf/decap
allowed=(--from 10.0.1.1 --from 2001:db8:1::1)
vips=(--vip "$vip4" --vip "$vip6")

loom() { on backend "$bed_build/lb/cli/loom" decap "$@" --pin-path "$pins"; }

# ask VIP [BYTES SECONDS]
ask() { on balancer python3 "$here/decap_peer.py" ask "$1" 8080 "${2:-300000}" "${3:-0}"; }
refused() { ! "$@"; }

# counted VERDICT: packets so far.
counted() {
  loom status --json |
    json "sum(v['packets'] for i in d['interfaces'] for v in i['verdicts'] if v['verdict'] == '$1')"
}
mode() { loom status --json | json "','.join(i['mode'] for i in d['interfaces'])"; }

# tunnel ipip|gue OUTER_DESTINATION: what goes to the VIPs now takes this tunnel.
tunnel() {
  [ -z "${tunnel_pid:-}" ] || { kill "$tunnel_pid"; wait "$tunnel_pid" || true; }
  spawn balancer tunnel python3 "$here/decap_peer.py" encapsulate "$@"
  tunnel_pid=$spawned
  wait_for 5 ip -n "$bed-balancer" link set tun0 up mtu 1400
  ip -n "$bed-balancer" route replace "$vip4" dev tun0 src 10.0.1.1
  ip -n "$bed-balancer" -6 route replace "$vip6" dev tun0 src 2001:db8:1::1
} 2>/dev/null

topology() {
  command -v python3 >/dev/null || skip "python3 is not installed"
  [ -c /dev/net/tun ] || modprobe -q tun || true
  [ -c /dev/net/tun ] || skip "the kernel has no TUN devices"
  ns_add balancer
  ns_add backend
  wire balancer eth0 backend eth0
  address balancer eth0 1
  address backend eth0 10
  own_vips backend "$vip4" "$vip6"
  spawn backend serve python3 "$here/decap_peer.py" serve 8080
  wait_for 5 on backend python3 "$here/decap_peer.py" ask ::1 8080 1 0
}

every_tunnel() {
  local encap outer vip
  for encap in ipip gue; do
    for outer in 10.0.1.10 2001:db8:1::10; do
      tunnel "$encap" "$outer"
      for vip in "$vip4" "$vip6"; do
        check "$encap over $outer to $vip" ask "$vip"
      done
    done
  done
}

# The transfer takes two seconds; meanwhile the program is replaced and the lists change, but for
# what the transfer needs.
changes_under_traffic() {
  local i transfer
  tunnel gue 10.0.1.10
  ask "$vip4" 2000000 2 &
  transfer=$!
  for i in 1 2 3 4 5; do
    loom attach eth0 "$@" --from 10.0.1.1 --from "192.0.2.$i" --vip "$vip4" --vip "203.0.113.$i" >/dev/null
  done
  check "a transfer survives five changes of the lists" wait "$transfer"
  check "the lists are the last ones" equal \
    "$(loom status --json | json "' '.join(d['interfaces'][0]['from'] + d['interfaces'][0]['vips'])")" \
    "10.0.1.1/32 192.0.2.5/32 $vip4 203.0.113.5"
  check "counters go on" [ "$(counted decapsulated)" -gt 1000 ]
}

not_allowed() {
  local before

  loom attach eth0 "$@" --from 10.0.1.2 "${vips[@]}" >/dev/null
  before=$(counted decapsulated)
  check "another sender does not get in" refused ask "$vip4"
  check "it is counted" [ "$(counted drop_source)" -gt 0 ]
  loom attach eth0 "$@" "${allowed[@]}" --vip 203.0.113.1 >/dev/null
  check "another destination does not get in" refused ask "$vip4"
  check "it is counted" [ "$(counted drop_not_vip)" -gt 0 ]
  loom attach eth0 "$@" "${allowed[@]}" "${vips[@]}" --encap ipip >/dev/null
  check "another encapsulation does not get in" refused ask "$vip4"
  check "nothing was decapsulated meanwhile" equal "$(counted decapsulated)" "$before"
  loom attach eth0 "$@" "${allowed[@]}" "${vips[@]}" >/dev/null
  check "with all of it back, it works" ask "$vip4"
}

detaches() {
  loom detach eth0 >/dev/null
  check "detached: nothing gets in" refused ask "$vip4"
  check "no XDP program is left" refused grep -q xdp <<<"$(ip -n "$bed-backend" link show eth0)"
  check "no TC filter is left" equal "$(on backend tc filter show dev eth0 ingress)" "${1:-}"
  check "no pin is left" [ ! -e "$pins" ]
}

bed_start
topology

say "XDP"
check "attaches" quietly loom attach eth0 "${allowed[@]}" "${vips[@]}"
check "natively" equal "$(mode)" native
every_tunnel
changes_under_traffic
not_allowed
detaches

say "TC, beside somebody else's filter"
on backend tc qdisc add dev eth0 clsact
on backend tc filter add dev eth0 ingress protocol all prio 7 handle 1 \
  bpf bytecode '1,6 0 0 0,' flowid 1:1
others=$(on backend tc filter show dev eth0 ingress)
check "attaches" quietly loom attach eth0 --tc "${allowed[@]}" "${vips[@]}"
check "to TC" equal "$(mode)" tc
every_tunnel
changes_under_traffic --tc
not_allowed --tc
detaches "$others"

say "from TC to XDP and back under a transfer"
quietly loom attach eth0 --tc "${allowed[@]}" "${vips[@]}"
tunnel ipip 10.0.1.10
ask "$vip4" 1000000 2 &
transfer=$!
for way in "" --tc "" --tc ""; do
  # shellcheck disable=SC2086 # no word, or one
  quietly loom attach eth0 $way "${allowed[@]}" "${vips[@]}"
done
check "the transfer survives" wait "$transfer"
check "the last way is in force" equal "$(mode)" native
check "the other is not" equal "$(on backend tc filter show dev eth0 ingress)" "$others"

say "an interface made anew"
ip -n "$bed-backend" link del eth0
check "status says that it is gone" equal "$(mode)" detached
wire balancer eth0 backend eth0
address balancer eth0 1
address backend eth0 10
check "attaching again works" quietly loom attach eth0 "${allowed[@]}" "${vips[@]}"
tunnel gue 2001:db8:1::10
check "and delivers" ask "$vip6"
quietly loom detach eth0

say "what is refused"
# says PATTERN ARGUMENT...: attaching fails, for that reason.
says() {
  local pattern=$1 said
  shift
  if said=$(loom attach "$@" 2>&1); then return 1; fi
  grep -qE -- "$pattern" <<<"$said" || { echo "         $said"; return 1; }
}
ip -n "$bed-backend" link set eth0 xdpdrv pinned "$bed_bpf/pass"
foreign=$(ip -n "$bed-backend" -j link show eth0 | json "d[0]['xdp']['prog']['id']")
check "a foreign XDP program, by its id" says "program $foreign " eth0 "${allowed[@]}" "${vips[@]}"
check "it stays" equal "$(ip -n "$bed-backend" -j link show eth0 | json "d[0]['xdp']['prog']['id']")" "$foreign"
check "nothing is left of the attempt" [ ! -e "$pins" ]
check "an interface that does not exist" says "no interface eth7" eth7 "${allowed[@]}" "${vips[@]}"
pins=/tmp/$bed
check "a pin path that is no bpffs" says "mount -t bpf bpf" eth0 "${allowed[@]}" "${vips[@]}"

bed_finish
