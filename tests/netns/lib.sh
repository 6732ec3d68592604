# shellcheck shell=bash
# SPDX-License-Identifier: Apache-2.0
# A test bed of network namespaces with real traffic. A test sources this file, builds a topology,
# starts loomd in it, checks, and ends with bed_finish; whatever was created is removed at exit.
#
#   one-armed (bed_one_armed N): one L2 segment, the balancer answers on the interface it hears on
#
#       client 10.0.1.2 --+
#                         +-- br0 (switch) --+-- b1 10.0.1.10
#       lb     10.0.1.1 --+                  +-- b2 10.0.1.11 ...
#
#   two-armed (bed_two_armed N): the balancer redirects between two interfaces
#
#       client 192.0.2.2 -- 192.0.2.1 lb 10.0.1.1 -- br0 (switch) -- b1 10.0.1.10, b2 ...
#
# IPv6 likewise: 2001:db8:1::/64 for 10.0.1.0/24, 2001:db8:2::/64 for 192.0.2.0/24, with the same
# last number in decimal. VIPs are in 198.51.100.0/24 and 2001:db8:100::/64, routed to the balancer.

set -euo pipefail
shopt -s inherit_errexit

bed_root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
bed_build=${LOOM_BUILD:-$bed_root/build/release}
bed=${bed_prefix:-loomt}-$$
bed_dir=/run/$bed
bed_bpf=$bed_dir/bpf
bed_pids=()
bed_namespaces=()
bed_failed=0
bed_checks=0
loomd_pid=
PATH=$PATH:/usr/sbin:/sbin

skip() {
  echo "SKIP: $*"
  exit 77
}

say() { printf '\n== %s\n' "$*"; }

# check WHAT COMMAND...: prints one line, remembers a failure, goes on.
check() {
  local what=$1
  shift
  bed_checks=$((bed_checks + 1))
  if "$@"; then
    printf '   ok    %s\n' "$what"
  else
    printf '   FAIL  %s\n' "$what"
    bed_failed=$((bed_failed + 1))
  fi
}

# equal GOT WANT: for check.
equal() {
  [ "$1" = "$2" ] && return
  printf '         got %s, want %s\n' "$1" "$2"
  return 1
}

# at_most NUMBER LIMIT, also for fractions.
at_most() {
  awk -v a="$1" -v b="$2" 'BEGIN { exit !(a + 0 <= b + 0) }' && return
  printf '         got %s, at most %s is right\n' "$1" "$2"
  return 1
}

quietly() { "$@" >/dev/null; }

# sum COUNTS: of browse's or udp_echo's "NAME NUMBER" lines.
sum() { awk '{ s += $2 } END { print s + 0 }' <<<"$1"; }

bed_finish() {
  printf '\n%s checks, %s failed\n' "$bed_checks" "$bed_failed"
  [ "$bed_checks" -gt 0 ] && [ "$bed_failed" = 0 ]
  exit
}

# ---- life of the bed -------------------------------------------------------------------------

bed_cleanup() {
  local status=$? pid name
  set +e
  # Whoever read our output may be gone: cleaning up goes on without.
  trap - EXIT INT TERM
  trap '' PIPE
  if [ "$status" != 0 ] && [ "$status" != 77 ]; then bed_show_logs; fi
  for pid in "${bed_pids[@]}"; do kill "$pid" 2>/dev/null; done
  for pid in "${bed_pids[@]}"; do
    timeout 5 tail --pid="$pid" -f /dev/null
    kill -KILL "$pid" 2>/dev/null
  done
  wait 2>/dev/null
  for name in "${bed_namespaces[@]}"; do ip netns del "$name" 2>/dev/null; done
  # Pins outlive processes; links and maps go with the mount.
  mountpoint -q "$bed_bpf" && umount -l "$bed_bpf"
  rm -rf "$bed_dir"
  exit "$status"
}

bed_show_logs() {
  local log
  for log in "$bed_dir"/log/loomd*; do
    [ -s "$log" ] || continue
    printf '\n-- last lines of %s\n' "${log##*/}"
    tail -n 25 "$log"
  done
}

bed_start() {
  local program
  [ "$(id -u)" = 0 ] || skip "needs root: namespaces and XDP"
  for program in ip ethtool curl nginx nsenter; do
    command -v "$program" >/dev/null || skip "$program is not installed (scripts/bootstrap)"
  done
  mkdir -p "$bed_bpf" "$bed_dir/log" "$bed_dir/state"
  trap bed_cleanup EXIT
  trap 'exit 130' INT TERM PIPE
  mount -t bpf bpf "$bed_bpf" || skip "cannot mount a bpffs: the kernel or a sandbox refuses"
  bpftool prog load "$bed_build/tests/tools/pass.bpf.o" "$bed_bpf/pass" type xdp
}

# on NAME COMMAND...: nsenter, because `ip netns exec` has its own /sys and hides pins below it.
on() {
  local name=$1
  shift
  nsenter --net="/run/netns/$bed-$name" -- "$@"
}

# spawn NAME LOG COMMAND...: in the background; sets spawned.
spawn() {
  local name=$1 log=$bed_dir/log/$2
  shift 2
  nsenter --net="/run/netns/$bed-$name" -- "$@" </dev/null >"$log" 2>&1 &
  spawned=$!
  bed_pids+=("$spawned")
}

# wait_for SECONDS COMMAND...: until it succeeds.
wait_for() {
  local end=$((SECONDS + $1))
  shift
  until "$@" >/dev/null 2>&1; do
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.05
  done
}

# ---- topology --------------------------------------------------------------------------------

ns_add() {
  local name=$bed-$1
  ip netns add "$name"
  bed_namespaces+=("$name")
  ip -n "$name" link set lo up
  on "$1" sysctl -qw \
    net.ipv4.conf.all.rp_filter=0 net.ipv4.conf.default.rp_filter=0 \
    net.ipv4.conf.all.arp_ignore=1 net.ipv4.conf.all.arp_announce=2 \
    net.ipv6.conf.default.accept_dad=0 net.ipv6.conf.default.router_solicitations=0 \
    net.ipv6.conf.default.accept_ra=0
}

# wire NAME IF NAME IF
wire() {
  ip link add "$2" netns "$bed-$1" type veth peer name "$4" netns "$bed-$3"
  ip -n "$bed-$1" link set "$2" up
  ip -n "$bed-$3" link set "$4" up
}

# address NAME IF NUMBER [V4PREFIX V6PREFIX]
address() {
  local v4=${4:-10.0.1} v6=${5:-2001:db8:1:}
  ip -n "$bed-$1" addr add "$v4.$3/24" dev "$2"
  ip -n "$bed-$1" addr add "$v6:$3/64" dev "$2" nodad
}

# Peer of an XDP interface: takes in what XDP sends (xdp), fills in checksums before XDP sees the
# packets, because XDP_TX loses the note that they are missing (tx off), and merges nothing (gro off).
feed_xdp() {
  ip -n "$bed-$1" link set "$2" xdpdrv pinned "$bed_bpf/pass"
  on "$1" ethtool -K "$2" tx off gro off >/dev/null
}

# A switch port for NAME's interface IF.
plug() {
  wire "$1" "$2" switch "p-$1"
  ip -n "$bed-switch" link set "p-$1" master br0
}

bed_switch() {
  ns_add switch
  ip -n "$bed-switch" link add br0 type bridge mcast_snooping 0
  ip -n "$bed-switch" link set br0 up
}

route_vips() {
  # Room for the largest encapsulation: IPv6, UDP and GUE are 52 bytes.
  ip -n "$bed-client" route add 198.51.100.0/24 via "$1" mtu lock 1440
  ip -n "$bed-client" -6 route add 2001:db8:100::/64 via "$2" mtu lock 1440
}

# Backends b1 ... bN with addresses .10, .11, ...
bed_backends() {
  local i

  for ((i = 1; i <= $1; i++)); do
    ns_add "b$i"
    plug "b$i" eth0
    address "b$i" eth0 $((9 + i))
    on "b$i" ethtool -K eth0 tx off >/dev/null
  done
}

# Nobody pings: loomd resolves its neighbours itself.
bed_one_armed() {
  bed_start
  bed_switch
  ns_add client
  ns_add lb
  plug client eth0
  plug lb eth0
  address client eth0 2
  address lb eth0 1
  on client ethtool -K eth0 tx off >/dev/null
  feed_xdp switch p-lb
  route_vips 10.0.1.1 2001:db8:1::1
  bed_backends "$1"
}

bed_two_armed() {
  local i
  bed_start
  bed_switch
  ns_add client
  ns_add lb
  wire client eth0 lb eth0
  plug lb eth1
  address client eth0 2 192.0.2 2001:db8:2:
  address lb eth0 1 192.0.2 2001:db8:2:
  address lb eth1 1
  feed_xdp client eth0
  feed_xdp switch p-lb
  on lb sysctl -qw net.ipv4.ip_forward=1 net.ipv6.conf.all.forwarding=1
  route_vips 192.0.2.1 2001:db8:2::1
  bed_backends "$1"
  for ((i = 1; i <= $1; i++)); do
    ip -n "$bed-b$i" route add default via 10.0.1.1
    ip -n "$bed-b$i" -6 route add default via 2001:db8:1::1
  done
}

# ---- backends --------------------------------------------------------------------------------

# web NAME [PORT]: nginx that answers with its name; takes files by PUT, to $bed_dir/files-NAME, and
# gives back what is there.
web() {
  local conf=$bed_dir/nginx-$1.conf port=${2:-80}
  cat >"$conf" <<END
daemon off; master_process off; pid $bed_dir/nginx-$1.pid; error_log stderr warn;
worker_rlimit_nofile 8192;
events { worker_connections 4096; }
http {
  access_log off;
  client_body_temp_path $bed_dir/nginx-$1.tmp; proxy_temp_path $bed_dir/nginx-$1.tmp;
  fastcgi_temp_path $bed_dir/nginx-$1.tmp; uwsgi_temp_path $bed_dir/nginx-$1.tmp;
  scgi_temp_path $bed_dir/nginx-$1.tmp;
  server {
    listen $port reuseport backlog=4096; listen [::]:$port reuseport backlog=4096;
    default_type text/plain;
    location = / { return 200 "$1\n"; }
    location / { root $bed_dir/files-$1; dav_methods PUT; client_max_body_size 16m; }
  }
}
END
  mkdir -p "$bed_dir/files-$1"
  chmod 777 "$bed_dir/files-$1"
  spawn "$1" "nginx-$1" nginx -c "$conf" -e stderr
  wait_for 5 on "$1" curl -so /dev/null "http://127.0.0.1:$port/"
}

# A VIP of a DSR backend belongs to it, but it must not talk about it.
own_vips() {
  local name=$1 vip
  shift
  for vip in "$@"; do
    case $vip in
      *:*) ip -n "$bed-$name" addr add "$vip/128" dev lo nodad ;;
      *) ip -n "$bed-$name" addr add "$vip/32" dev lo ;;
    esac
  done
}

# decap NAME VIP...: ends Loom's tunnels on NAME's eth0; at TC, if decap_at_tc is set.
decap() {
  local name=$1 vip arguments=()
  shift
  for vip in "$@"; do arguments+=(--vip "$vip"); done
  [ -z "${decap_at_tc:-}" ] || arguments+=(--tc)
  on "$name" "$bed_build/lb/cli/loom" decap attach eth0 --from 10.0.1.1/32 \
    --from 2001:db8:1::1/128 "${arguments[@]}" --pin-path "$bed_bpf/decap-$name" \
    >"$bed_dir/log/decap-$name" 2>&1 ||
    { cat "$bed_dir/log/decap-$name"; return 1; }
}

# ---- balancer --------------------------------------------------------------------------------

# Completes a configuration from stdin with paths of this bed; prints its name.
loomd_config() {
  {
    cat
    echo "runtime: { pin_path: $bed_bpf/loom, state_dir: $bed_dir/state }"
  } >"$bed_dir/loom.yaml"
  echo "$bed_dir/loom.yaml"
}

# modes_config ARMS MODES: a configuration with one service per line "NAME VIP PREFIX FORWARDING [ENCAP]",
# as the test's print_service writes it; prints its name.
modes_config() {
  local interfaces=eth0 name vip prefix rest
  [ "$1" = one-armed ] || interfaces="eth0, eth1"
  {
    printf 'ebpf:\n  xdp: { interfaces: [%s], mode: native }\n  services:\n' "$interfaces"
    while read -r name vip prefix rest; do
      # shellcheck disable=SC2086 # forwarding and encap are two words
      [ -z "$name" ] || print_service "$name" "$vip" "$prefix" $rest
    done <<<"$2"
  } | loomd_config
}

# loomd_launch CONFIG [WRAPPER...]: in namespace lb; sets loomd_pid, does not wait.
# LOOMD: another binary than that of the build.
loomd_launch() {
  local config=$1
  shift
  [ ! -e "$bed_dir/log/loomd" ] || mv "$bed_dir/log/loomd" "$bed_dir/log/loomd.$SECONDS"
  spawn lb loomd "$@" "${LOOMD:-$bed_build/lb/daemon/loomd}" -c "$config"
  loomd_pid=$spawned

}

loomd_ready() { on lb curl -sfo /dev/null http://localhost:9091/readyz; }
loomd_ready_or_gone() { [ ! -e "/proc/$loomd_pid" ] || loomd_ready; }

loomd_start() {
  loomd_launch "$@"
  wait_for "${LOOM_START_SECONDS:-10}" loomd_ready_or_gone && loomd_ready && return
  echo "loomd did not become ready:"
  on lb curl -s http://localhost:9091/readyz || true
  return 1
}

# loomd_stop [SIGNAL]
loomd_stop() {
  kill -"${1:-TERM}" "$loomd_pid"
  wait "$loomd_pid" 2>/dev/null || true
}

# api METHOD PATH [JSON]: prints the answer; fails on an error status.
api() {
  local arguments=(-sS --fail-with-body -X "$1" "http://localhost:9091$2")
  [ $# -lt 3 ] || arguments+=(-d "$3")
  on lb curl "${arguments[@]}"
}

# json EXPRESSION: evaluates a Python expression over the document `d` from stdin.
json() { python3 -c "import json,sys; d = json.load(sys.stdin); print($1)"; }

# metric PATTERN: sum of the samples whose line matches.
metric() { api GET /metrics | awk -v p="$1" '$0 !~ /^#/ && $0 ~ p { s += $NF } END { printf "%d", s }'; }

# The capabilities that the service unit gives loomd, as a wrapper for loomd_start, and as they
# show in /proc/PID/status: bits 12 net_admin, 13 net_raw, 38 perfmon, 39 bpf.
# shellcheck disable=SC2034
four=(setpriv --bounding-set "-all,+bpf,+net_admin,+net_raw,+perfmon" --no-new-privs)
# shellcheck disable=SC2034
four_mask=000000c000003000

# ---- traffic ---------------------------------------------------------------------------------

# url ADDRESS: brackets for IPv6.
url() { case $1 in *:*) echo "http://[$1]/" ;; *) echo "http://$1/" ;; esac; }

# browse ADDRESS COUNT: COUNT connections from the client, one request each; prints
# "NAME answers" per backend.
browse() {
  on client curl -sS --connect-timeout 3 --max-time 60 -H 'Connection: close' \
    "$(url "$1")?[1-$2]" | sort | uniq -c | awk '{ print $2, $1 }'
}
