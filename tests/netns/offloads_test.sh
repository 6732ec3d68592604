#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# All offloads on everywhere: partial checksums and packets of many segments arrive. NAT and every
# tunnel must carry them intact, through TC alone and through TC beside XDP.
#   offloads_test.sh tc|native|generic
source "$(dirname "$0")/lib.sh"

program=${1:-tc}
decap_at_tc=1
bytes=10000000

# name, VIP, backend, forwarding, encap
modes="
nat-4    198.51.100.1     10.0.1.10       nat
nat-6    2001:db8:100::1  2001:db8:1::10  nat
ipip-44  198.51.100.2     10.0.1.10       dsr ipip
ipip-66  2001:db8:100::2  2001:db8:1::10  dsr ipip
ipip-46  198.51.100.3     2001:db8:1::10  dsr ipip
ipip-64  2001:db8:100::3  10.0.1.10       dsr ipip
gue-44   198.51.100.4     10.0.1.10       dsr gue
gue-66   2001:db8:100::4  2001:db8:1::10  dsr gue
gue-46   198.51.100.5     2001:db8:1::10  dsr gue
gue-64   2001:db8:100::5  10.0.1.10       dsr gue
none-4   198.51.100.6     10.0.1.10       dsr none
none-6   2001:db8:100::6  2001:db8:1::10  dsr none
"

print_service() {
  local name=$1 vip=$2 backend=$3 forwarding=$4 encap=${5:-}
  printf '    - name: %s\n      vips: ["%s"]\n      ports: [80]\n      forwarding: %s\n' \
    "$name" "$vip" "$forwarding"
  [ -z "$encap" ] || printf '      encap: { type: %s }\n' "$encap"
  printf '      backends: [{ address: "%s" }]\n' "$backend"
}

make_config() {
  {
    printf 'ebpf:\n'
    if [ "$program" = tc ]; then
      printf '  mode: tc\n  xdp: { interfaces: [eth0] }\n'
    else
      printf '  xdp: { interfaces: [eth0], mode: %s }\n' "$program"
    fi
    printf '  services:\n'
    while read -r name vip backend rest; do
      # shellcheck disable=SC2086 # forwarding and encap are two words
      [ -z "$name" ] || print_service "$name" "$vip" "$backend" $rest
    done <<<"$modes"
  } | loomd_config
}

# files NAME: a web server that gives out a file and stores what it is sent.
files() {
  local conf=$bed_dir/nginx-files.conf
  mkdir -p "$bed_dir/www/in"
  head -c "$bytes" /dev/urandom >"$bed_dir/www/file"
  chmod -R a+rwX "$bed_dir" "$bed_dir/www"
  cat >"$conf" <<END
user root; daemon off; master_process off; pid $bed_dir/nginx-files.pid; error_log stderr warn;
events { worker_connections 256; }
http {
  access_log off; client_max_body_size 0; client_body_temp_path $bed_dir/nginx.tmp;
  proxy_temp_path $bed_dir/nginx.tmp; fastcgi_temp_path $bed_dir/nginx.tmp;
  uwsgi_temp_path $bed_dir/nginx.tmp; scgi_temp_path $bed_dir/nginx.tmp;
  server {
    listen 80; listen [::]:80; root $bed_dir/www;
    location /in/ { dav_methods PUT; }
  }
}
END
  spawn "$1" nginx-files nginx -c "$conf" -e stderr
  wait_for 5 on "$1" curl -so /dev/null http://127.0.0.1/file
}

hash_of() { sha256sum <"$1" | cut -d' ' -f1; }

check_mode() {
  local name=$1 vip=$2 want
  want=$(hash_of "$bed_dir/www/file")
  on client curl -sS -g --max-time 20 -o "$bed_dir/down" "$(url "$vip")file" || true
  check "$name: download of $bytes bytes intact" equal "$(hash_of "$bed_dir/down")" "$want"
  on client curl -sS -g --max-time 20 -T "$bed_dir/www/file" "$(url "$vip")in/$name" || true
  touch "$bed_dir/www/in/$name"
  check "$name: upload of $bytes bytes intact" equal "$(hash_of "$bed_dir/www/in/$name")" "$want"
  rm -f "$bed_dir/down" "$bed_dir/www/in/$name"
}

# attached KEY: of the program on eth0.
attached() { api GET /ebpf/stats | json "d['programs'][0]['$1']"; }

fails() { ! "$@" >/dev/null 2>&1; }

filters() { tc -n "$bed-lb" filter show dev eth0 ingress; }

case $program in
  tc | native | generic) ;;
  *) echo "usage: offloads_test.sh tc|native|generic" >&2; exit 2 ;;
esac
bed_one_armed 1
# What the bed switches off for XDP is on here.
for place in "client eth0" "switch p-client" "b1 eth0" "switch p-b1" "lb eth0" "switch p-lb"; do
  # shellcheck disable=SC2086 # name and interface
  set -- $place
  on "$1" ethtool -K "$2" tx on tso on gso on gro on >/dev/null 2>&1 || true
done
# XDP there would keep segments from being sent on as one packet.
[ "$program" = native ] || ip -n "$bed-switch" link set p-lb xdpdrv off
# shellcheck disable=SC2046 # a list
own_vips b1 $(awk '$4 == "dsr" { print $2 }' <<<"$modes")
# shellcheck disable=SC2046 # a list
decap b1 $(awk '$5 == "ipip" || $5 == "gue" { print $2 }' <<<"$modes")
files b1
config=$(make_config)
loomd_start "$config"

say "$program"
if [ "$program" = tc ]; then
  check "the interface runs the program at TC" \
    equal "$(attached mode)" tc
  check "no XDP program is attached" equal "$(ip -n "$bed-lb" link show eth0 | grep -c prog/xdp)" 0
fi
check "the filter is there" quietly grep -q loom_tc <<<"$(filters)"
while read -r name vip _; do
  [ -z "$name" ] || check_mode "$name" "$vip"
done <<<"$modes"
[ "$program" = tc ] ||
  check "nothing was left to the stack for want of a TC program" \
    equal "$(metric '^loom_passes_total.reason="handed_up"')" 0
check "no packet dropped" equal "$(metric '^loom_ebpf_packets_total.action="drop"')" 0

say "life of the filter"
before=$(filters | grep -o 'id [0-9]*' | head -1)
loomd_stop
check "it stays when the daemon ends" equal "$(filters | grep -o 'id [0-9]*' | head -1)" "$before"
loomd_start "$config"
check "the next daemon adopts it" equal "$(filters | grep -o 'id [0-9]*' | head -1)" "$before"
check_mode nat-4 198.51.100.1

if [ "$program" = tc ]; then
  say "where XDP is refused"
  loomd_stop
  # What runs is kept by mode auto: the choice is made only where nothing does.
  tc -n "$bed-lb" filter del dev eth0 ingress
  # A program on a device on top of it keeps XDP off the interface, since 5.15 or so.
  ip -n "$bed-lb" link add link eth0 name upper type macvlan
  ip -n "$bed-lb" link set upper xdpgeneric pinned "$bed_bpf/pass"
  sed -i 's/^  mode: tc/  mode: xdp/' "$config"
  if ip -n "$bed-lb" link set eth0 xdpgeneric pinned "$bed_bpf/pass" 2>/dev/null; then
    ip -n "$bed-lb" link set eth0 xdpgeneric off
    echo "   this kernel does not refuse it"
    loomd_start "$config"
    check_mode nat-4 198.51.100.1
    bed_finish
  fi
  loomd_start "$config"
  check "mode auto goes to TC" equal "$(attached mode)" tc
  check "and says why: $(attached note)" quietly grep -q "XDP refused" <<<"$(attached note)"
  check_mode nat-4 198.51.100.1

  say "a filter of somebody else in our place"
  loomd_stop
  tc -n "$bed-lb" filter del dev eth0 ingress
  tc -n "$bed-lb" filter add dev eth0 ingress prio 50 handle 0x6c6f6f6d bpf direct-action \
    object-pinned "$bed_bpf/loom/$(readlink "$bed_bpf/loom/current")/progs/loom_tc"
  rm "$bed_bpf/loom/filters/eth0"
  sed -i 's/^  mode: xdp/  mode: tc/' "$config"
  check "is not replaced" fails loomd_start "$config"
fi
bed_finish
