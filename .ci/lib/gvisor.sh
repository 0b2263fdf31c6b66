# shellcheck shell=bash
# gVisor's runsc. The one in Debian 12 is too old for the systrap platform, so a single package comes from Debian 13
# through an apt configuration of its own: the system's sources and lists stay as they are. The binary is static.
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
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/package"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s trixie main\n' "$(debian_mirror)" >"$work/sources.list"
  # apt downloads as its own user, who must reach the folder.
  chmod -R a+rX "$work"
  apt=(apt-get -q
    -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache"
    -o Acquire::Retries=3 -o APT::Sandbox::User=root)
  "${apt[@]}" update
  cd "$work"
  "${apt[@]}" download runsc
  dpkg -x ./runsc_*.deb "$work/package"
  # Renamed into place, so that an interrupted copy is never taken for the cached one.
  install -m 755 "$work/package/usr/bin/runsc" "$RUNSC.new"
  mv "$RUNSC.new" "$RUNSC"
)
