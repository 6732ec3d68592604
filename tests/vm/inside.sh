#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# What kernel_test.sh runs in the VM, as root.
set -uo pipefail
root=$(cd "$(dirname "$0")/../.." && pwd)
failed=0

# Before 5.11 maps are charged to this limit, and loomd has no capability to raise it: its service
# unit does what this line does.
ulimit -l unlimited

# Emulated, and beside another VM: a migration loads the programs in half a minute.
export LOOM_START_SECONDS=90

# What differs from kernel to kernel shows in the first of them.
export LOOM_ORACLE_INPUTS=20000

# run WHAT COMMAND...
run() {
  local what=$1 status=0 log=/run/job.log began=$SECONDS
  shift
  "$@" >"$log" 2>&1 || status=$?
  what=$(printf '%4d s  %s' $((SECONDS - began)) "$what")
  case $status in
    0) printf '%-32s ok       %s\n' "$what" "$(tail -n 1 "$log")" ;;
    77) printf '%-32s skipped  %s\n' "$what" "$(grep -m 1 -A 1 -E 'SKIP: |Skipped' "$log" | tail -n 1)" ;;
    *)
      printf '%-32s FAILED   status %s\n' "$what" "$status"
      tail -n 120 "$log"
      failed=$((failed + 1))
      ;;
  esac
}

export LOOM_TRACK_STEPS=3000

echo "kernel $(uname -r)"
for program in "$LOOM_BUILD"/tests/datapath/datapath_*_test; do
  [ -x "$program" ] || { echo "no datapath tests in $LOOM_BUILD"; exit 1; }
  run "$(basename "$program" _test)" "$program"
done
run dataplane "$LOOM_BUILD/tests/netns/netns_dataplane_test"
for name in forward nat verdict flow verifier answer icmp fragment hand_up; do
  LOOM_TEST_PROGRAM=tc run "datapath_tc_$name" "$LOOM_BUILD/tests/datapath/datapath_${name}_test"
done
for mode in tc native; do
  run "offloads_$mode" bash "$root/tests/netns/offloads_test.sh" $mode
  run "tc_$mode" bash "$root/tests/netns/tc_test.sh" $mode
done
LOOM_CONNECTIONS=50 run modes bash "$root/tests/netns/modes_test.sh" one-armed
run mtu bash "$root/tests/netns/mtu_test.sh"
run icmp bash "$root/tests/netns/icmp_test.sh"
LOOM_CONNECTIONS=20 run restart bash "$root/tests/netns/restart_test.sh"
LOOM_CONNECTIONS=20 run upgrade bash "$root/tests/netns/upgrade_test.sh"
[ "$failed" = 0 ]
