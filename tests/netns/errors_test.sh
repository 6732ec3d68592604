#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What goes wrong at the start is said in one line that names the cause, and nothing is broken by it.
source "$(dirname "$0")/lib.sh"

bed_one_armed 1

# config INTERFACE
config() {
  loomd_config <<END
ebpf:
  xdp: { interfaces: [$1], mode: native }
  services:
    - { name: web, vips: [198.51.100.1], ports: [80], backends: [{ address: 10.0.1.10 }] }
END
}

# fails_with PATTERN CONFIG [WRAPPER...]: loomd ends by itself, not with success, and says so.
fails_with() {
  local pattern=$1 status=0
  shift
  loomd_launch "$@"
  wait_for 10 test ! -e "/proc/$loomd_pid" || { echo "         still running"; loomd_stop; return 1; }
  wait "$loomd_pid" || status=$?
  sed 's/^/         /' "$bed_dir/log/loomd"
  [ "$status" != 0 ] || { echo "         exit status 0"; return 1; }
  [ "$status" -lt 128 ] || { echo "         died of a signal: $status"; return 1; }
  grep -qiE -- "$pattern" "$bed_dir/log/loomd"
}

say "bad configuration"
bad=$(config eth0)
sed -i 's/ports: \[80\]/portz: [80]/' "$bad"
check "names file, line and key" fails_with 'loom\.yaml:[0-9]+:[0-9]+:.*portz' "$bad"

say "no such file"
check "names the file" fails_with 'nothing-here\.yaml.*No such file' "$bed_dir/nothing-here.yaml"

say "without privileges"
chmod 755 "$bed_dir"
check "says what it needs" fails_with 'root|capabilit|privilege|permission' "$(config eth0)" \
  setpriv --reuid 65534 --regid 65534 --clear-groups

say "port taken"
spawn lb holder "$bed_build/tests/tools/transfer" serve 9091 holder
holder=$spawned
sleep 0.2
check "names port and holder" fails_with '9091.*transfer|transfer.*9091' "$(config eth0)"
check "nothing stays attached" equal "$(on lb ip -j link show eth0 | json "'xdp' in d[0]")" False
kill "$holder"
wait "$holder" || true

say "foreign XDP program"
ip -n "$bed-lb" link set eth0 xdpdrv pinned "$bed_bpf/pass"
foreign=$(on lb ip -j link show eth0 | json "d[0]['xdp']['prog']['id']")
check "names its id" fails_with "XDP.*$foreign|$foreign.*XDP" "$(config eth0)"
check "and leaves it alone" equal "$(on lb ip -j link show eth0 | json "d[0]['xdp']['prog']['id']")" "$foreign"
ip -n "$bed-lb" link set eth0 xdpdrv off

say "missing interface"
loomd_launch "$(config nosuch0)"
# It may end, or wait for the interface to appear; it must not claim to be ready.
interface_is_named() {
  if [ -e "/proc/$loomd_pid" ]; then
    on lb curl -s http://localhost:9091/readyz | grep -q nosuch0
  else
    grep -q nosuch0 "$bed_dir/log/loomd"
  fi
}
check "is named" wait_for 5 interface_is_named
check "is not ready" equal "$(loomd_ready && echo ready || echo no)" no
kill "$loomd_pid" 2>/dev/null || true
bed_finish
