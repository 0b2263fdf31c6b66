# shellcheck shell=bash
# An image with a Docker Engine in it, for tests that need engines of their own: remote ones, and several at once.
set -euo pipefail

ENGINE_PACKAGES=(docker.io iptables)
ENGINE_TAR=$CORDON_CI_STATE/debian-12-engine.tar

make_engine_tar() { make_layer "$ENGINE_TAR" link_iptables "${ENGINE_PACKAGES[@]}"; }

# What update-alternatives would have chosen.
link_iptables() {
  local command
  for command in ip{,6}tables{,-save,-restore}; do
    ln -s xtables-nft-multi "$1/usr/sbin/$command"
  done
}

make_engine_image() (
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  engine_script >"$work/engine"
  chmod 755 "$work/engine"
  ln -s "$ENGINE_TAR" "$work/root.tar"
  cat >"$work/Dockerfile" <<'END'
FROM cordon-test/debian:12
ADD root.tar /
COPY engine /usr/local/bin/engine
VOLUME /var/lib/docker
ENTRYPOINT ["/usr/local/bin/engine"]
END
  tar -C "$work" -chf "$work.tar" Dockerfile engine root.tar
  api_stream POST '/build?t=cordon-test/engine:1&rm=1&forcerm=1' -H 'Content-Type: application/x-tar' -T "$work.tar"
  rm -f "$work.tar"
  echo 'cordon-test/engine:1: built'
)

# Makes a container fit for an engine and runs one; one that dies comes back, as under a service manager. The container needs nearly all capabilities, no seccomp, no
# AppArmor and all devices: see test/support/engineContainer.ts.
engine_script() {
  cat <<'END'
#!/bin/sh
set -eu
mount -o remount,bind,rw /proc/sys
mount -o remount,bind,rw /sys
mount -o remount,bind,rw /sys/fs/cgroup
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  # A group with processes of its own may not hand controllers down.
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
  # What an engine that was killed left behind would keep the next one from starting.
  rm -f /var/run/docker.pid /var/run/docker/containerd/containerd.pid
  dockerd -H unix:///var/run/docker.sock "$@" &
  engine=$!
  wait "$engine" || sleep 0.2
done
END
}
