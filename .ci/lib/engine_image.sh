# shellcheck shell=bash
# An image with a Docker Engine in it, for tests that need engines of their own: remote ones, and several at once.
set -euo pipefail

ENGINE_PACKAGES=(docker.io iptables)
ENGINE_TAR=$CORDON_CI_STATE/debian-12-engine.tar

make_engine_tar() { make_layer "$ENGINE_TAR" link_iptables "${ENGINE_PACKAGES[@]}"; }

# The links that update-alternatives would make.
link_iptables() {
  local command
  for command in ip{,6}tables{,-save,-restore}; do
    ln -s xtables-nft-multi "$1/usr/sbin/$command"
  done
}

make_engine_image() { build_engine_image cordon-test/engine:1 cordon-test/debian:12 "$ENGINE_TAR"; }

# build_engine_image IMAGE BASE TAR [INSTRUCTION...]
build_engine_image() (
  image=$1 base=$2 tar=$3
  shift 3
  work=$(mktemp -d)
  trap 'rm -rf "$work" "$work.tar"' EXIT
  engine_script >"$work/engine"
  chmod 755 "$work/engine"
  ln -s "$tar" "$work/root.tar"
  {
    printf 'FROM %s\nADD root.tar /\nCOPY engine /usr/local/bin/engine\n' "$base"
    printf '%s\n' "$@" 'VOLUME /var/lib/docker' 'ENTRYPOINT ["/usr/local/bin/engine"]'
  } >"$work/Dockerfile"
  tar -C "$work" -chf "$work.tar" Dockerfile engine root.tar
  api_stream POST "/build?t=$image&rm=1&forcerm=1" -H 'Content-Type: application/x-tar' -T "$work.tar"
  printf '%s: built\n' "$image"
)

# Prepares a container for an engine and runs the engine. If the engine dies, it is started again, as by a service manager. The container needs
# nearly all capabilities, no seccomp, no AppArmor and all devices: see test/support/engineContainer.ts.
engine_script() {
  cat <<'END'
#!/bin/sh
set -eu
mount -o remount,bind,rw /proc/sys
mount -o remount,bind,rw /sys
mount -o remount,bind,rw /sys/fs/cgroup
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  # A group that has processes itself can't enable controllers for its subgroups.
  mkdir -p /sys/fs/cgroup/init
  while read -r pid; do echo "$pid"; done </sys/fs/cgroup/cgroup.procs |
    while read -r pid; do echo "$pid" >/sys/fs/cgroup/init/cgroup.procs || :; done
  sed 's/ / +/g; s/^/+/' /sys/fs/cgroup/cgroup.controllers >/sys/fs/cgroup/cgroup.subtree_control
else
  for group in /sys/fs/cgroup/*; do
    ! mountpoint -q "$group" || mount -o remount,bind,rw "$group"
  done
fi
trap 'kill "$engine"; wait "$engine"; exit' TERM INT
while :; do
  # The remains of a killed engine would keep the next one from starting.
  rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
  dockerd -H unix:///var/run/docker.sock "$@" &
  engine=$!
  wait "$engine" || sleep 0.2
done
END
}
