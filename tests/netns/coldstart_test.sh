#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0
# From nothing to ready with 100 services of 10 backends each: below two seconds.
source "$(dirname "$0")/lib.sh"

bed_one_armed 1
for number in $(seq 20 28); do
  address b1 eth0 "$number"
done
backends=$(printf '{ address: 10.0.1.%s }, ' 10 $(seq 20 28))
config=$({
  printf 'ebpf:\n  xdp: { interfaces: [eth0], mode: native }\n  services:\n'
  for number in $(seq 100); do
    printf '    - { name: s%s, vips: [198.51.100.%s], ports: [80], backends: [%s] }\n' \
      "$number" "$number" "${backends%, }"
  done
} | loomd_config)
web b1

say "100 services, 1000 backends"
started=$(date +%s%N)
loomd_start "$config"
milliseconds=$((($(date +%s%N) - started) / 1000000))
check "ready after $milliseconds ms" at_most "$milliseconds" 2000
check "1000 backends" equal "$(api GET /ebpf/backends | json "len(d['backends'])")" 1000
check "the last service works" equal "$(browse 198.51.100.100 20)" "b1 20"
bed_finish
