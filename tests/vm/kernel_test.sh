#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# Loom on a stock Debian kernel in a VM: datapath tests, every forwarding mode with real traffic,
# path MTUs and ICMP, and a restart under traffic.  kernel_test.sh SERIES   (5.10, 6.1, 6.12)
#   LOOM_VM_TIMEOUT  seconds; default 1000
set -uo pipefail
here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
series=${1:?usage: kernel_test.sh SERIES}

command -v qemu-system-x86_64 >/dev/null || { echo "SKIP: qemu-system-x86 is not installed"; exit 77; }
kernel=$("$here/getkernel" "$series")
status=$?
if [ $status != 0 ]; then
  echo "$kernel"
  exit $status
fi

console=$(mktemp)
trap 'rm -f "$console"' EXIT
"$here/vmrun" --kernel "$kernel" --timeout "${LOOM_VM_TIMEOUT:-1000}" --console "$console" -- \
  env LOOM_BUILD="${LOOM_BUILD:-$root/build/release}" bash "$here/inside.sh"
status=$?
if grep -E 'WARNING:|BUG:|Oops' "$console"; then
  echo "the kernel complained"
  status=1
fi
exit $status
