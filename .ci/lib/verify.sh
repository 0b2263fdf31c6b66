# shellcheck shell=bash
# Checks what the tests rely on: an engine may accept a limit and not enforce it.
set -euo pipefail

verify_engine() {
  verify memory 'a 32 MiB limit ends what takes 64 MiB' '.exit == 137 and .oom' \
    '{"Memory": 33554432, "MemorySwap": 33554432}' 'exec dd if=/dev/zero of=/dev/null bs=64M count=1'
  # shellcheck disable=SC2016 # the container's shell expands it
  verify pids 'a limit of 16 refuses the 17th process' '.exit != 0 and (.output | contains("fork"))' \
    '{"PidsLimit": 16}' 'for i in $(seq 40); do sleep 1 & done'
  # Both cgroup versions count the periods in which the container wanted more than its share.
  verify cpu 'a busy loop is throttled to 0.1 CPU' '.output | test("nr_throttled [1-9]")' \
    '{"NanoCpus": 100000000}' 'timeout 1 sh -c "while :; do :; done"; cat /sys/fs/cgroup/cpu.stat /sys/fs/cgroup/cpu/cpu.stat 2>/dev/null'
  verify gvisor 'runsc shows its own kernel log' '.exit == 0 and (.output | contains("Starting gVisor"))' \
    '{"Runtime": "runsc"}' 'dmesg'
  verify gvisor-network 'runsc has the address that the engine gave' '.exit == 0' \
    '{"Runtime": "runsc"}' 'ip address show dev eth0 | grep -q "inet "'
  verify gvisor-memory 'a 64 MiB limit ends what takes 256 MiB' '.exit == 137' \
    '{"Runtime": "runsc", "Memory": 67108864, "MemorySwap": 67108864}' 'exec dd if=/dev/zero of=/dev/null bs=256M count=1'
}

# verify NAME CLAIM TEST HOST_CONFIG SCRIPT: runs the script in a container; the jq test must hold for its result.
verify() {
  local name=$1 claim=$2 test=$3 host=$4 script=$5 result
  result=$(run_container "$(jq -n --argjson host "$host" --arg script "$script" \
    '{Image: "cordon-test/busybox:1", Cmd: ["sh", "-c", $script], Tty: true, HostConfig: $host}')")
  jq -e "$test" <<<"$result" >/dev/null || die "$name: not so: $claim: $result"
  printf '%s: %s\n' "$name" "$claim"
}
