# shellcheck shell=bash
# A machine with cgroup v2: User-Mode Linux, a kernel that runs as an ordinary process and needs no hypervisor.
# It has one processor and no iptables. It runs Docker Engine, Podman with crun and a rootless Docker without systemd,
# each with the images of the tests. Its network ends in a network namespace, which only sockets leave.
set -euo pipefail

GUEST=$CORDON_CI_RUN/guest
GUEST_PID=$GUEST/linux.pid
GUEST_INIT=$(dirname "${BASH_SOURCE[0]}")/../guest/init
GUEST_NAMESPACE=cordon-guest-$(cksum <<<"$CORDON_CI_RUN" | cut -d ' ' -f 1)
GUEST_IMAGES=(cordon-test/debian:12 cordon-test/git:1 cordon-test/noshell:1)
# The ports on which the guest's init serves them.
declare -A GUEST_PORTS=([docker]=2375 [podman]=2376 [rootless]=2377)

ensure_guest() {
  if ! live_pid "$GUEST_PID" linux.uml >/dev/null; then
    stop_guest
    make_guest_disk
    start_guest
  fi
  local name
  for name in "${!GUEST_PORTS[@]}"; do
    curl -sSf --max-time 60 --unix-socket "$GUEST/$name.sock" http://guest/version |
      jq -r --arg name "$name" '"\($name): \(.Components[0].Name) \(.Version), kernel \(.KernelVersion)"'
  done
}

make_guest_disk() {
  local root=$GUEST/root
  mkdir -p "$root"
  tar -C "$root" -xf "$NEWER_ENGINES_TAR"
  mkdir -p "$root/vm" "$root/usr/lib/modules" "$root/home/user"
  install -m 755 "$GUEST_KERNEL/usr/bin/linux.uml" "$root/vm/"
  cp -a "$GUEST_KERNEL"/usr/lib/uml/modules/* "$root/usr/lib/modules/"
  install -m 755 "$GUEST_INIT" "$root/usr/sbin/guest-init"
  configure_guest "$root"
  preload_guest "$root"
  truncate -s 8G "$GUEST/disk"
  mkfs.ext4 -q -F -O ^has_journal -E lazy_itable_init=1 -d "$root" "$GUEST/disk"
}

configure_guest() {
  local root=$1
  printf '127.0.0.1 localhost guest\n' >"$root/etc/hosts"
  : >"$root/etc/resolv.conf"
  echo 'user:x:1000:1000::/home/user:/bin/sh' >>"$root/etc/passwd"
  echo 'user:x:1000:' >>"$root/etc/group"
  echo 'user:100000:65536' | tee "$root/etc/subuid" >"$root/etc/subgid"
  chown 1000:1000 "$root/home/user"
  cat >"$root/etc/containers/containers.conf" <<'END'
[engine]
runtime = "crun"
cgroup_manager = "cgroupfs"
events_logger = "file"
[network]
network_backend = "netavark"
firewall_driver = "none"
END
}

# The guest's engines unpack the images before the guest starts. Inside the guest it would take a minute.
preload_guest() (
  root=$1
  query=$(printf '&names=%s' "${GUEST_IMAGES[@]}")
  api GET "/images/get?${query#&}" >"$root/vm/images.tar"
  trap 'rm -f "$root"/vm/{images.tar,preload.sock}' EXIT
  # In its own mount namespace, which ends with it. The engine unpacks only if the root is a mount.
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount --net --pid --fork --kill-child sh -ec '
    mount --bind "$1" "$1"
    cd "$1"
    mount --bind /dev dev
    mount --rbind /sys sys
    mount -t proc proc proc
    mount -t tmpfs run run
    mount -t tmpfs tmp tmp
    script=$2
    shift 2
    exec chroot . sh -ec "$script" sh "$@"
  ' sh "$root" '
    podman load --quiet --input /vm/images.tar
    # Names without a registry, as Docker resolves them.
    for image; do
      podman tag "localhost/$image" "docker.io/$image"
      podman untag "localhost/$image" "localhost/$image"
    done
    ip link set lo up
    dockerd --iptables=false --ip6tables=false --bridge=none --host unix:///vm/preload.sock &
    engine=$!
    while [ -e /vm/images.tar ]; do sleep 0.1; done
    kill "$engine"
    wait "$engine" || :
  ' "${GUEST_IMAGES[@]}" >"$GUEST/preload.log" 2>&1 &
  preloading=$!
  wait_for 60 preload_answers "$root/vm/preload.sock" || preload_failed
  DOCKER_SOCKET=$root/vm/preload.sock api_stream POST /images/load -H 'Content-Type: application/x-tar' -T "$root/vm/images.tar" ||
    preload_failed
  rm "$root/vm/images.tar"
  wait "$preloading" || preload_failed
)

preload_answers() { [[ -S $1 ]] && curl -sf --max-time 5 -o /dev/null --unix-socket "$1" http://engine/_ping; }

preload_failed() {
  tail -n 40 "$GUEST/preload.log" >&2
  die 'the images could not be put into the guest'
}

start_guest() {
  local root=$GUEST/root name
  ip netns add "$GUEST_NAMESPACE"
  ip -n "$GUEST_NAMESPACE" link set lo up
  ip netns exec "$GUEST_NAMESPACE" ip tuntap add tap0 mode tap
  ip -n "$GUEST_NAMESPACE" addr add 10.0.2.2/24 dev tap0
  ip -n "$GUEST_NAMESPACE" link set tap0 up
  # The kernel's program needs the libraries of its own release, so it runs in the file tree of the disk.
  ln "$GUEST/disk" "$root/vm/disk"
  mount -t proc proc "$root/proc"
  mount --bind /dev "$root/dev"
  boot_guest "$root"
  grep GUEST: "$GUEST/console.log"
  for name in "${!GUEST_PORTS[@]}"; do
    # Without a longer -t it cuts streams of which one side has ended.
    setsid nohup ip netns exec "$GUEST_NAMESPACE" socat -t86400 \
      "UNIX-LISTEN:$GUEST/$name.sock,fork,backlog=128" "TCP:10.0.2.15:${GUEST_PORTS[$name]}" \
      </dev/null >"$GUEST/$name.log" 2>&1 &
    printf '%d\n' "$!" >"$GUEST/$name.pid"
  done
  for name in "${!GUEST_PORTS[@]}"; do wait_for 10 test -S "$GUEST/$name.sock"; done
}

# Rarely the kernel hangs before its first output. Then it has changed nothing on the disk, and is started again.
boot_guest() {
  local attempt
  for attempt in 1 2 3; do
    setsid nohup ip netns exec "$GUEST_NAMESPACE" env TMPDIR=/vm chroot "$1" /vm/linux.uml mem=3072M \
      ubda=/vm/disk root=/dev/ubda rw rootfstype=ext4 init=/usr/sbin/guest-init \
      vec0:transport=tap,ifname=tap0,depth=128 con=null con0=null,fd:1 seccomp=on \
      >"$GUEST/console.log" 2>&1 </dev/null &
    printf '%d\n' "$!" >"$GUEST_PID"
    if wait_for 60 guest_has_booted; then
      wait_for 300 guest_is_ready && return
      break
    fi
    printf 'the kernel of the guest did not boot (attempt %d)\n' "$attempt" >&2
    stop_guest_kernel
  done
  tail -n 60 "$GUEST/console.log" >&2
  die 'the guest was not ready in time'
}

guest_has_booted() { grep -q 'as init process' "$GUEST/console.log"; }

# Its processes have no other parent, and end with it only if it ends by itself.
stop_guest_kernel() {
  stop_pid "$GUEST_PID" linux.uml 5
  ip netns pids "$GUEST_NAMESPACE" | xargs -r kill -KILL 2>/dev/null || true
}

guest_is_ready() { grep -q 'GUEST: ready' "$GUEST/console.log"; }

stop_guest() {
  [[ -d $GUEST ]] || return 0
  local name
  for name in "${!GUEST_PORTS[@]}"; do stop_pid "$GUEST/$name.pid" socat 5; done
  stop_guest_kernel
  unmount_below "$GUEST"
  ip netns del "$GUEST_NAMESPACE" 2>/dev/null || true
  rm -rf --one-file-system "$GUEST"
}
