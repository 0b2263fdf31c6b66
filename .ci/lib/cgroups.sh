# shellcheck shell=bash
# Limits need the memory, cpu and pids controllers mounted somewhere; a bare machine may not have them yet.
set -euo pipefail

ensure_cgroups() {
  if cgroups_mounted; then
    return
  fi
  echo 'mounting the cgroup controllers'
  mount -t cgroup2 none /sys/fs/cgroup
  if ! cgroups_mounted; then
    umount /sys/fs/cgroup
    mount_cgroups_v1
  fi
  cgroups_mounted || die 'the kernel offers no memory, cpu and pids controllers'
}

cgroups_mounted() {
  local controller
  for controller in memory cpu pids; do
    grep -qsw "$controller" /sys/fs/cgroup/cgroup.controllers ||
      findmnt -t cgroup -O "$controller" >/dev/null || return 1
  done
}

mount_cgroups_v1() {
  local controller _hierarchy _count enabled
  mount -t tmpfs -o mode=755 cgroup /sys/fs/cgroup
  while read -r controller _hierarchy _count enabled; do
    if [[ $controller == \#* || $enabled != 1 ]]; then continue; fi
    mkdir "/sys/fs/cgroup/$controller"
    mount -t cgroup -o "$controller" cgroup "/sys/fs/cgroup/$controller"
  done </proc/cgroups
}
