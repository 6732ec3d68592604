#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What ICMP does for people and programs, through the balancer and NAT: ping, traceroute, "connection
# refused" for UDP, path MTU discovery in both directions.
#
#   client 192.0.2.2 -- .1 edge 10.0.1.250 --+            +-- 10.0.1.251 inner 10.0.2.1 -- far 10.0.2.10
#                                            +-- switch --+
#                         lb 10.0.1.1      --+            +-- b1 10.0.1.10
#
# edge lets at most 1400 bytes pass to the client, inner at most 1300 to far: each by a route, so that
# the links themselves take whatever comes the other way.
source "$(dirname "$0")/lib.sh"

edge_mtu=1400
inner_mtu=1300
web_port=80
open_port=53    # UDP: a backend answers
closed_port=54  # UDP: nobody listens

make_config() {
  loomd_config <<END
ebpf:
  xdp: { interfaces: [eth0], mode: native }
  services:
    - name: near
      vips: ["198.51.100.1", "2001:db8:100::1"]
      ports: [$web_port, { port: $open_port, protocol: udp }, { port: $closed_port, protocol: udp }]
      backends: [{ address: 10.0.1.10 }, { address: "2001:db8:1::10" }]
    - name: far
      vips: ["198.51.100.2", "2001:db8:100::2"]
      ports: [$web_port, { port: $open_port, protocol: udp }]
      backends: [{ address: 10.0.2.10 }, { address: "2001:db8:3::10" }]
END
}

topology() {
  bed_start
  bed_switch
  for name in client edge lb inner far; do ns_add "$name"; done
  plug lb eth0
  plug edge eth0
  plug inner eth0
  wire edge eth1 client eth0
  wire inner eth1 far eth0
  address lb eth0 1
  address edge eth0 250
  address inner eth0 251
  address edge eth1 1 192.0.2 2001:db8:2:
  address client eth0 2 192.0.2 2001:db8:2:
  address inner eth1 1 10.0.2 2001:db8:3:
  address far eth0 10 10.0.2 2001:db8:3:
  feed_xdp switch p-lb
  for name in client far; do on "$name" ethtool -K eth0 tx off >/dev/null; done
  for name in edge inner; do
    on "$name" sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1 \
      net.ipv4.icmp_ratelimit=0 net.ipv6.icmp.ratelimit=0
    on "$name" ethtool -K eth0 gro off >/dev/null
    on "$name" ethtool -K eth1 gro off >/dev/null
  done
  bed_backends 1
}

# default_via NAME GATEWAY4 GATEWAY6
default_via() {
  ip -n "$bed-$1" route add default via "$2"
  ip -n "$bed-$1" -6 route add default via "$3"
}

routes() {
  default_via client 192.0.2.1 2001:db8:2::1
  default_via far 10.0.2.1 2001:db8:3::1
  default_via lb 10.0.1.250 2001:db8:1::250
  ip -n "$bed-edge" route add 198.51.100.0/24 via 10.0.1.1
  ip -n "$bed-edge" -6 route add 2001:db8:100::/64 via 2001:db8:1::1
  ip -n "$bed-lb" route add 10.0.2.0/24 via 10.0.1.251
  ip -n "$bed-lb" -6 route add 2001:db8:3::/64 via 2001:db8:1::251
  ip -n "$bed-edge" route add 192.0.2.2/32 dev eth1 mtu "$edge_mtu"
  ip -n "$bed-edge" -6 route add 2001:db8:2::2/128 dev eth1 mtu "$edge_mtu"
  ip -n "$bed-inner" route add 10.0.2.10/32 dev eth1 mtu "$inner_mtu"
  ip -n "$bed-inner" -6 route add 2001:db8:3::10/128 dev eth1 mtu "$inner_mtu"
}

# hops VIP WAY...: who answers, hop by hop.
hops() { on client traceroute -n -q 1 -w 2 -m 6 "${@:2}" "$1" | awk 'NR > 1 { printf "%s ", $2 }'; }

# refused VIP PORT: a datagram brings "connection refused" within two seconds.
refused() {
  on client python3 - "$@" <<'END'
import socket, sys
address, port = sys.argv[1:]
client = socket.socket(socket.AF_INET6 if ":" in address else socket.AF_INET, socket.SOCK_DGRAM)
client.settimeout(2)
client.connect((address, int(port)))
client.send(b"anybody there?")
try:
    client.recv(100)
except ConnectionRefusedError:
    sys.exit(0)
sys.exit("an answer")
END
}

# known_mtu NAME ADDRESS: what NAME has found out about the path to ADDRESS.
known_mtu() { ip -n "$bed-$1" -o route get "$2" | grep -oE 'mtu [0-9]+' | cut -d' ' -f2; }

# capture NAME: the ICMP errors that it gets.
capture() {
  spawn "$1" "tcpdump-$1" tcpdump -Uni eth0 -w "$bed_dir/$1.pcap" --immediate-mode \
    'icmp[0] == 3 or icmp6[0] == 2'
  wait_for 5 grep -q 'listening on' "$bed_dir/log/tcpdump-$1"
}

# captured NAME PATTERN: an error that NAME got, as tcpdump puts it, on one line.
captured() {
  tcpdump -nvvr "$bed_dir/$1.pcap" 2>/dev/null | tr -s '\n\t ' ' ' |
    grep -qE -- "$2" || { tcpdump -nvvr "$bed_dir/$1.pcap" | head -n 20; return 1; }
}
no_bad_checksum() { ! tcpdump -nvvr "$bed_dir/$1.pcap" 2>/dev/null | grep -E 'bad|wrong|incorrect'; }

check_ping() {
  local vip=$1
  check "$vip: 100 pings are answered" equal \
    "$(on client ping -nqc 100 -i 0.002 -W 1 "$vip" | grep -oE '[0-9]+ received')" "100 received"
  check "$vip: large ones, too" quietly on client ping -nqc 2 -i 0.01 -W 1 -s $((edge_mtu - 48)) "$vip"
  # IPv6 leaves it to the sender to cut packets, and the balancer has not kept this one.
  [[ $vip == *:* ]] || check "$vip: also where only the way back is too narrow" \
    quietly on client ping -nqc 2 -i 0.01 -W 1 -s $((edge_mtu + 50)) "$vip"
}

# check_traceroute EDGE INNER NEAR FAR
check_traceroute() {
  local way
  for way in "-T -p $web_port" "-U -p $open_port"; do
    # shellcheck disable=SC2086 # options
    check "$3 by $way: edge, balancer, backend" equal "$(hops "$3" $way)" "$1 $3 $3 "
    # shellcheck disable=SC2086
    check "$4 by $way: and the router behind the balancer" equal "$(hops "$4" $way)" "$1 $4 $2 $4 "
  done
}

# Of IPv6, tcpdump does not show what is quoted. That a host believes the message, known_mtu, says
# that it found its own connection in it.

# check_upload VIP ROUTER FLOW: to far, past the narrow route behind the balancer.
check_upload() {
  check "$1: 1 MB goes up" on client curl -gsS --max-time 20 -T "$bed_dir/data" "$(url "$1")$1"
  check "$1: and arrives as it was" cmp "$bed_dir/data" "$bed_dir/files-far/$1"
  check "$1: the client was told $inner_mtu" equal "$(known_mtu client "$1")" "$inner_mtu"
  check "$1: by $2, about the packet that it had sent" \
    captured client "$2 > [^ ]+: .*(too big, mtu|need to frag \(mtu) $inner_mtu.*$3"
}

# check_download VIP NAT FLOW: from b1, past the narrow route to the client.
check_download() {
  check "$1: 1 MB comes down" on client curl -gsS --max-time 20 -o "$bed_dir/got" "$(url "$1")data"
  check "$1: as it was" cmp "$bed_dir/data" "$bed_dir/got"
  check "$1: the backend was told $edge_mtu" equal "$(known_mtu b1 "$2")" "$edge_mtu"
  check "$1: about the packet that it had sent" \
    captured b1 "(too big, mtu|need to frag \(mtu) $edge_mtu.*$3"
}

command -v traceroute >/dev/null || skip "traceroute is not installed (scripts/bootstrap)"
command -v tcpdump >/dev/null || skip "tcpdump is not installed (scripts/bootstrap)"
topology
routes
for name in b1 far; do
  web "$name"
  spawn "$name" "echo-$name" "$bed_build/tests/tools/udp_echo" serve "$open_port" "$name"
done
head -c 1000000 /dev/urandom >"$bed_dir/data"
cp "$bed_dir/data" "$bed_dir/files-b1/data"
loomd_start "$(make_config)"

say "ping"
for vip in 198.51.100.1 2001:db8:100::1; do check_ping "$vip"; done

say "traceroute"
check_traceroute 192.0.2.1 10.0.1.251 198.51.100.1 198.51.100.2
check_traceroute 2001:db8:2::1 2001:db8:1::251 2001:db8:100::1 2001:db8:100::2

say "a UDP port where nobody listens"
for vip in 198.51.100.1 2001:db8:100::1; do
  check "$vip: connection refused" refused "$vip" "$closed_port"
done

say "path MTU discovery"
capture client
capture b1
check_upload 198.51.100.2 10.0.1.251 '192.0.2.2.[0-9]+ > 198.51.100.2.80'
check_upload 2001:db8:100::2 2001:db8:1::251 ''
check_download 198.51.100.1 10.0.1.1 '10.0.1.10.80 > 10.0.1.1.[0-9]+'
check_download 2001:db8:100::1 2001:db8:1::1 ''
for name in client b1; do check "no bad checksum at $name" no_bad_checksum "$name"; done

say "what was dropped"
for reason in icmp_unknown bad_length no_flow too_big; do
  check "$reason: nothing" equal "$(metric "^loom_drops_total.reason=\"$reason\"")" 0
done
bed_finish
