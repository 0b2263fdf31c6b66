# shellcheck shell=bash
# A machine without an engine, for one command: its sockets are hidden from it, and nothing tells it of others.
set -euo pipefail

# without_engine [NAME=VALUE...] COMMAND...: PostgreSQL, git and the like stay, which need no engine.
without_engine() {
  local name options=()
  while read -r name; do options+=(--unset "$name"); done < <(
    compgen -e | grep -E '^(CORDON_TEST|CONTAINER_SANDBOX|DOCKER|CONTAINER)_|^XDG_RUNTIME_DIR$' |
      grep -vxE 'CORDON_TEST_(SUMMARY|POSTGRES)'
  )
  # In mounts of its own, which end with it. What is bound there is no socket, and no folder with one.
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount --propagation private env "${options[@]}" bash -c '
    set -euo pipefail
    for socket in /var/run/docker.sock /run/podman/podman.sock; do
      [[ ! -S $socket ]] || mount --bind /dev/null "$socket"
    done
    exec env "$@"
  ' bash DOCKER_CONFIG=/nonexistent "$@"
}
