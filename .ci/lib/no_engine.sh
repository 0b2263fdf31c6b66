# shellcheck shell=bash
# Runs one command as on a machine without an engine: sockets of engines are hidden, and no variable names an engine.
set -euo pipefail

# without_engine [NAME=VALUE...] COMMAND...: PostgreSQL, git and other programs that need no engine stay.
without_engine() {
  local name options=()
  while read -r name; do options+=(--unset "$name"); done < <(
    compgen -e | grep -E '^(CORDON_TEST|CONTAINER_SANDBOX|DOCKER|CONTAINER)_|^XDG_RUNTIME_DIR$' |
      grep -vxE 'CORDON_TEST_(SUMMARY|POSTGRES)'
  )
  # In its own mount namespace, which ends with it. The mounts hide sockets and folders with sockets.
  # shellcheck disable=SC2016 # expanded by the inner shell
  unshare --mount --propagation private env "${options[@]}" bash -c '
    set -euo pipefail
    for socket in /var/run/docker.sock /run/podman/podman.sock; do
      [[ ! -S $socket ]] || mount --bind /dev/null "$socket"
    done
    exec env "$@"
  ' bash DOCKER_CONFIG=/nonexistent "$@"
}
