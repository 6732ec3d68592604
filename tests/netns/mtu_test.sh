#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Uploads through tunnels over links that are smaller than the client's: a route of ours that says so,
# and a router behind the first hop whose ICMP says so. Clients discover path MTUs as they do.
#
#   client, lb, b1 10.0.1.10 -- switch -- 10.0.1.250 router 10.0.2.1 -- MTU 1380 -- 10.0.2.10 far
#
# The far backend has an address per tunnel, because what is learned is learned per address.
source "$(dirname "$0")/lib.sh"

far_mtu=1380
route_mtu=1400

# service, last number of its VIPs, backend, encap, bytes of the tunnel's headers
services="
near-ipip4 11 10.0.1.10       ipip 20
near-ipip6 12 2001:db8:1::10  ipip 40
near-gue4  13 10.0.1.10       gue  32
near-gue6  14 2001:db8:1::10  gue  52
far-ipip4  21 10.0.2.10       ipip 20
far-ipip6  22 2001:db8:3::10  ipip 40
far-gue4   23 10.0.2.11       gue  32
far-gue6   24 2001:db8:3::11  gue  52
"

make_config() {
  {
    printf 'ebpf:\n  xdp: { interfaces: [eth0], mode: native }\n  services:\n'
    while read -r name number backend encap _; do
      [ -z "$name" ] || cat <<END
    - name: $name
      vips: ["198.51.100.$number", "2001:db8:100::$number"]
      ports: [80]
      forwarding: dsr
      encap: { type: $encap }
      backends: [{ address: "$backend" }]
END
    done <<<"$services"
    # The outer source is a VIP, too: errors about tunnels have to be told from errors about clients.
    cat <<END
    - name: own
      vips: [10.0.1.1, "2001:db8:1::1"]
      ports: [8080, { port: 8080, protocol: udp }]
      backends: [{ address: 10.0.1.10, port: 80 }, { address: "2001:db8:1::10", port: 80 }]
END
  } | loomd_config
}

add_far_backend() {
  ns_add router
  ns_add far
  plug router eth0
  wire router eth1 far eth0
  address router eth0 250
  address router eth1 1 10.0.2 2001:db8:3:
  on router sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 net.ipv4.icmp_ratelimit=0
  ip -n "$bed-router" link set eth1 mtu "$far_mtu"
  for number in 10 11; do address far eth0 "$number" 10.0.2 2001:db8:3:; done
  on far ethtool -K eth0 tx off >/dev/null
  ip -n "$bed-far" route add default via 10.0.2.1
  ip -n "$bed-far" -6 route add default via 2001:db8:3::1
  ip -n "$bed-lb" route add 10.0.2.0/24 via 10.0.1.250
  ip -n "$bed-lb" -6 route add 2001:db8:3::/64 via 2001:db8:1::250
}

# The bed's routes keep clients from noticing anything: here they have to.
unlock_the_client() {
  ip -n "$bed-client" route replace 198.51.100.0/24 via 10.0.1.1
  ip -n "$bed-client" -6 route replace 2001:db8:100::/64 via 2001:db8:1::1
}

start_backend() {
  local name=$1 vips
  vips=$(awk 'NF { print "198.51.100." $2, "2001:db8:100::" $2 }' <<<"$services")
  # shellcheck disable=SC2086 # a list
  own_vips "$name" $vips
  # shellcheck disable=SC2086
  decap "$name" $vips
  web "$name"
}

# uploads SERVICE VIP: 1 MB arrives as it was sent.
uploads() {
  local name=$2
  [ "${1%%-*}" = far ] && set -- far "$2" || set -- b1 "$2"
  on client curl -gsS --max-time 15 -T "$bed_dir/data" "$(url "$name")$name" || return 1
  cmp "$bed_dir/data" "$bed_dir/files-$1/$name"
}

# client_mtu VIP: what the client has found out.
client_mtu() { ip -n "$bed-client" -o route get "$1" | grep -oE 'mtu [0-9]+' | cut -d' ' -f2; }

# backend ADDRESS FIELD: of the API, of the only backend there.
backend() {
  api GET /ebpf/backends | json "[b for b in d['backends'] if b['address'] == '$1'][0]$2"
}

# check_service NAME NUMBER OVERHEAD LINK: LINK is the smallest MTU of the way.
check_service() {
  local name=$1 number=$2 overhead=$3 link=$4 vip
  for vip in "198.51.100.$number" "2001:db8:100::$number"; do
    check "$name: 1 MB to $vip arrives" uploads "$name" "$vip"
    check "$name: its client was told $((link - overhead))" \
      equal "$(client_mtu "$vip")" $((link - overhead))
  done
}

bed_one_armed 1
add_far_backend
unlock_the_client
start_backend b1
start_backend far
head -c 1000000 /dev/urandom >"$bed_dir/data"
ip -n "$bed-lb" route add 10.0.1.10/32 dev eth0 mtu "$route_mtu"
ip -n "$bed-lb" -6 route add 2001:db8:1::10/128 dev eth0 mtu "$route_mtu"
loomd_start "$(make_config)" "${four[@]}"

say "a route with an MTU of $route_mtu"
while read -r name number _ _ overhead; do
  [[ $name != near-* ]] || check_service "$name" "$number" "$overhead" "$route_mtu"
done <<<"$services"

say "a router behind the first hop, whose next link has $far_mtu"
while read -r name number address _ overhead; do
  [[ $name == far-* ]] || continue
  check "$name: nothing is known of its path before" equal "$(backend "$address" "['path_mtu']")" None
  check_service "$name" "$number" "$overhead" "$far_mtu"
  check "$name: the API shows its path MTU" equal "$(backend "$address" "['path_mtu']['mtu']")" "$far_mtu"
  check "$name: for ten minutes" equal \
    "$(backend "$address" "['path_mtu']['expires_in_s'] in range(540, 601)")" True
  check "$name: packets are made to fit" equal "$(backend "$address" "['next_hop']['mtu']")" "$far_mtu"
  check "$name: the log has it once" equal \
    "$(grep -c "path MTU to $address is $far_mtu, says" "$bed_dir/log/loomd")" 1
done <<<"$services"

say "the others"
for address in 10.0.1.10 2001:db8:1::10; do
  check "$address has no path MTU" equal "$(backend "$address" "['path_mtu']")" None
  check "$address has its route's" equal "$(backend "$address" "['next_hop']['mtu']")" "$route_mtu"
done
check "nothing of this was dropped for another reason" equal \
  "$(metric '^loom_drops_total' )" "$(metric '^loom_drops_total.*too_big')"

say "without CAP_NET_RAW"
loomd_stop
loomd_start "$bed_dir/loom.yaml" \
  setpriv --bounding-set "-all,+bpf,+net_admin,+perfmon" --no-new-privs
check "loomd serves all the same" uploads near-ipip4 198.51.100.11
check "and says what it does without" \
  equal "$(grep -c 'path MTUs of IPv[46] tunnels are not learned' "$bed_dir/log/loomd")" 2
bed_finish
