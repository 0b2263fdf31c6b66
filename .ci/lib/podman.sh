# shellcheck shell=bash
# Podman's service with the test image: another engine that speaks the Engine API. It has its own network namespace, and
# all its files are in one folder, so it does not interfere with other engines.
set -euo pipefail

PODMAN_ROOT=$CORDON_CI_RUN/podman
PODMAN_PID=$PODMAN_ROOT/podman.pid
PODMAN_SOCKET=$PODMAN_ROOT/podman.sock
PODMAN_IMAGE=docker.io/cordon-test/debian:12
PODMAN_ENVIRONMENT=(
  env "CONTAINERS_CONF=$PODMAN_ROOT/containers.conf" "CONTAINERS_STORAGE_CONF=$PODMAN_ROOT/storage.conf"
)

ensure_podman() {
  if ! live_pid "$PODMAN_PID" podman >/dev/null || ! podman_answers; then
    stop_podman
    start_podman
  fi
  podman_here image exists "$PODMAN_IMAGE" ||
    podman_here import --quiet --change 'CMD ["bash"]' "$DEBIAN_TAR" "$PODMAN_IMAGE"
  podman_there version --format 'Podman {{.Server.Version}}'
}

start_podman() {
  local driver log=$CORDON_CI_RUN/podman.log
  for driver in overlay vfs; do
    rm -rf --one-file-system "$PODMAN_ROOT"
    write_podman_config "$driver"
    if podman_here info >"$log" 2>&1; then break; fi
  done
  # In its own folder: conmon leaves a file named oom where it runs.
  # shellcheck disable=SC2016 # expanded by the inner shell
  "${PODMAN_ENVIRONMENT[@]}" setsid nohup unshare --net sh -c '
    cd "$1" && ip link set lo up && exec podman system service --time 0 "$2"
  ' sh "$PODMAN_ROOT" "unix://$PODMAN_SOCKET" </dev/null >"$log" 2>&1 &
  printf '%d\n' "$!" >"$PODMAN_PID"
  if ! wait_for 60 podman_answers; then
    tail -n 40 "$log" >&2
    die 'podman did not answer within 60 s'
  fi
}

# runc and cgroupfs: crun refuses hybrid cgroups, and there may be no systemd.
write_podman_config() {
  mkdir -p "$PODMAN_ROOT/networks"
  cat >"$PODMAN_ROOT/containers.conf" <<END
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
lock_type = "file"
static_dir = "$PODMAN_ROOT/static"
tmp_dir = "$PODMAN_ROOT/tmp"
volume_path = "$PODMAN_ROOT/volumes"
[network]
network_backend = "netavark"
network_config_dir = "$PODMAN_ROOT/networks"
END
  cat >"$PODMAN_ROOT/storage.conf" <<END
[storage]
driver = "$1"
graphroot = "$PODMAN_ROOT/storage"
runroot = "$PODMAN_ROOT/run"
END
}

# podman_here COMMAND...: runs on its files; podman_there: runs through the service, in the service's network namespace.
podman_here() { "${PODMAN_ENVIRONMENT[@]}" podman "$@"; }
podman_there() { podman --url "unix://$PODMAN_SOCKET" "$@"; }

podman_answers() { curl -sf --max-time 5 -o /dev/null --unix-socket "$PODMAN_SOCKET" http://podman/_ping; }

# The limits of the service's own processes. It can't give more to a container, but Podman 4.3 asks for more.
podman_ulimits() {
  local limits
  limits=/proc/$(live_pid "$PODMAN_PID" podman)/limits
  awk '/^Max open files/ {files = $5} /^Max processes/ {processes = $4}
    END {printf "nofile=%d,nproc=%d\n", (files + 0 ? files : 1048576), (processes + 0 ? processes : 32768)}' "$limits"
}

stop_podman() {
  [[ -d $PODMAN_ROOT ]] || return 0
  podman_there rm --all --force --time 0 >/dev/null 2>&1 || podman_here rm --all --force --time 0 >/dev/null 2>&1 || true
  stop_pid "$PODMAN_PID" podman 20
  # A process for each command of the last minutes waits to clean up, in files that are then gone.
  kill_conmons
  unmount_below "$PODMAN_ROOT"
  rm -rf --one-file-system "$PODMAN_ROOT"
}

kill_conmons() {
  local process name
  for process in /proc/[0-9]*; do
    name=$(cat "$process/comm" 2>/dev/null) || continue
    if [[ $name == conmon ]] && tr '\0' '\n' 2>/dev/null <"$process/cmdline" | grep -q "^$PODMAN_ROOT/"; then
      kill -KILL "${process#/proc/}" 2>/dev/null || true
    fi
  done
}
