# shellcheck shell=bash
# Shared by all CI scripts: the folders for state, and the reports of progress and failure.
set -euo pipefail

# Results that are expensive to make and safe to keep between runs.
CORDON_CI_STATE=${CORDON_CI_STATE:-/var/cache/cordon-ci}
# The files of one start: pid files, logs, engine data. Each run of `run` has its own folder,
# so stopping everything in the folder never stops an engine that a developer started.
CORDON_CI_RUN=${CORDON_CI_RUN:-$CORDON_CI_STATE}
export CORDON_CI_STATE CORDON_CI_RUN

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# step TITLE COMMAND...: runs it under a header and prints how long it took, also if it failed.
step() (
  # shellcheck disable=SC2034 # read by the trap
  title=$1 started=$SECONDS
  shift
  trap 'tell_time "$title" "$((SECONDS - started))"' EXIT
  printf '\n== %s\n' "$title"
  "$@"
)

# tell_time TITLE SECONDS: prints it, and keeps it for the end of `run`.
tell_time() {
  printf -- '-- %s: %d s\n' "$@"
  [[ ! -e ${CORDON_CI_TIMES:-} ]] || printf '%s: %d s\n' "$@" >>"$CORDON_CI_TIMES"
}

# wait_for SECONDS COMMAND...: repeats the command until it succeeds, at most that long.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}

# The pid in FILE, if the process of that pid is named NAME: another process may have the pid by now.
live_pid() {
  local file=$1 name=$2 pid
  [[ -s $file ]] || return 1
  pid=$(<"$file")
  [[ -r /proc/$pid/comm && $(<"/proc/$pid/comm") == "$name" ]] || return 1
  printf '%s\n' "$pid"
}

# stop_pid FILE NAME SECONDS: asks the process to end, and kills it after that time.
stop_pid() {
  local file=$1 name=$2 patience=$3 pid
  if pid=$(live_pid "$file" "$name"); then
    kill "$pid" 2>/dev/null || true
    if ! wait_for "$patience" process_gone "$pid"; then
      printf 'warning: %s (%d) did not end in %d s; killed\n' "$name" "$pid" "$patience" >&2
      kill -KILL "$pid" 2>/dev/null || true
    fi
  fi
  rm -f "$file"
}

# unmount_below FOLDER: unmounts everything in it, the innermost first.
unmount_below() {
  local mount
  while read -r mount; do umount --lazy "$mount" || true; done \
    < <(awk -v root="$1/" 'index($2, root) == 1 {print $2}' /proc/mounts | sort -r)
}

process_gone() {
  # A zombie has ended too; its parent has only not collected it yet.
  [[ ! -e /proc/$1 ]] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}
