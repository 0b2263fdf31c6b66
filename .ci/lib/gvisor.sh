# shellcheck shell=bash
# gVisor's runsc. The one in Debian 12 is too old for the systrap platform, so a single package comes from Debian 13.
# The binary is static.
set -euo pipefail

RUNSC=$CORDON_CI_STATE/runsc

fetch_runsc() {
  if [[ -x $RUNSC ]]; then
    echo 'cached'
  else
    unpack_runsc
  fi
  "$RUNSC" --version
}

unpack_runsc() (
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/package"
  release_apt "$work" trixie
  cd "$work"
  "${apt[@]}" download runsc
  dpkg -x ./runsc_*.deb "$work/package"
  # Renamed into place, so that an interrupted copy is never used as the cached one.
  install -m 755 "$work/package/usr/bin/runsc" "$RUNSC.new"
  mv "$RUNSC.new" "$RUNSC"
)
