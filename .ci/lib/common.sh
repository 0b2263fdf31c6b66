# shellcheck shell=bash
# What every CI script shares: where state lives, how progress and failure are told.
set -euo pipefail

# What is expensive to make and safe to keep between runs.
CORDON_CI_STATE=${CORDON_CI_STATE:-/var/cache/cordon-ci}
# What belongs to one start: pid files, logs, engine data. `run` gives each of its runs a folder of its own,
# so that stopping "what is in the folder" never stops an engine that a developer started.
CORDON_CI_RUN=${CORDON_CI_RUN:-$CORDON_CI_STATE}
export CORDON_CI_STATE CORDON_CI_RUN

die() {
  printf 'error: %s\n' "$*" >&2
  exit 1
}

# step TITLE COMMAND...: runs it under a header and tells how long it took, also when it failed.
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

# wait_for SECONDS COMMAND...: polls, bounded.
wait_for() {
  local deadline=$((SECONDS + $1))
  shift
  until "$@"; do
    ((SECONDS < deadline)) || return 1
    sleep 0.2
  done
}

# The pid in FILE, if a process named NAME still has it: a pid may have been given to another since.
live_pid() {
  local file=$1 name=$2 pid
  [[ -s $file ]] || return 1
  pid=$(<"$file")
  [[ -r /proc/$pid/comm && $(<"/proc/$pid/comm") == "$name" ]] || return 1
  printf '%s\n' "$pid"
}

# stop_pid FILE NAME SECONDS: asks the process to end, insists when the time is over.
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

# unmount_below FOLDER: lets go of what is mounted in it, the innermost first.
unmount_below() {
  local mount
  while read -r mount; do umount --lazy "$mount" || true; done \
    < <(awk -v root="$1/" 'index($2, root) == 1 {print $2}' /proc/mounts | sort -r)
}

process_gone() {
  # A zombie has ended too; only its parent has not looked yet.
  [[ ! -e /proc/$1 ]] || grep -q '^State:[[:space:]]*Z' "/proc/$1/status" 2>/dev/null
}
