# shellcheck shell=bash
# A Docker Engine with gVisor registered, on the well-known socket. A running engine is used as it is.
set -euo pipefail

DOCKERD_PID=$CORDON_CI_RUN/dockerd.pid
DOCKERD_LOG=$CORDON_CI_RUN/dockerd.log

ensure_engine() {
  if engine_answers; then
    engine_has_runtime runsc ||
      die "the engine on $DOCKER_SOCKET has no runtime named runsc: register gVisor there or stop it"
    echo 'using the engine that is running'
  else
    ensure_cgroups
    start_engine
  fi
  api GET /info | jq -r '"Engine \(.ServerVersion), storage \(.Driver), cgroup v\(.CgroupVersion // "1") (\(.CgroupDriver)), runtimes \(.Runtimes | keys | join(" "))"'
}

start_engine() {
  local config=$CORDON_CI_RUN/daemon.json
  # A pid file of a dead engine would keep the next one from starting.
  live_pid "$DOCKERD_PID" dockerd >/dev/null || rm -f "$DOCKERD_PID"
  # The engine chooses the storage driver: overlay2 if that works.
  # No live-restore: containers must end with the engine that runs them.
  jq -n --arg socket "unix://$DOCKER_SOCKET" --arg data "$CORDON_CI_RUN/docker" --arg pid "$DOCKERD_PID" --arg runsc "$RUNSC" '{
    hosts: [$socket],
    "data-root": $data,
    pidfile: $pid,
    "live-restore": false,
    runtimes: {runsc: {path: $runsc, runtimeArgs: ["--platform=systrap", "--network=host", "--overlay2=none"]}}
  }' >"$config"
  # In its own session, so that it outlives the shell that started it.
  setsid nohup dockerd --config-file "$config" </dev/null >"$DOCKERD_LOG" 2>&1 &
  if ! wait_for 60 engine_answers; then
    tail -n 60 "$DOCKERD_LOG" >&2
    die 'dockerd did not answer within 60 s'
  fi
}

stop_engine() {
  # dockerd ends the containers and the containerd it spawned. If it has to be killed, containerd is left over.
  local spawned=/var/run/docker/containerd/containerd.pid containerd=
  live_pid "$DOCKERD_PID" dockerd >/dev/null || return 0
  containerd=$(live_pid "$spawned" containerd) || true
  stop_pid "$DOCKERD_PID" dockerd 60
  if [[ -n $containerd ]] && ! wait_for 10 process_gone "$containerd"; then
    kill -KILL "$containerd" 2>/dev/null || true
    # The next engine would treat it as alive until its parent has collected it.
    rm -f "$spawned"
  fi
}
