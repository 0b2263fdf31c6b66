# shellcheck shell=bash
# Packages of any Debian release, with a separate apt configuration: the system's sources, lists and packages
# do not change.
set -euo pipefail

# Set by the function below.
declare -a apt=()

# release_apt WORK SUITE [OPTION...]: fetches the suite's lists into WORK, and sets `apt` to the command that uses them.
release_apt() {
  local work=$1 suite=$2
  shift 2
  mkdir -p "$work/lists/partial" "$work/cache/archives/partial"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' "$(debian_mirror)" "$suite" >"$work/sources.list"
  # apt downloads as its own user, which must be able to enter the folder.
  chmod -R a+rX "$work"
  apt=(apt-get -q
    -o "Dir::Etc::sourcelist=$work/sources.list" -o Dir::Etc::sourceparts=/dev/null
    -o Dir::Etc::preferencesparts=/dev/null -o Dir::State::status=/dev/null
    -o "Dir::State::lists=$work/lists" -o "Dir::Cache=$work/cache"
    -o Acquire::Languages=none -o Acquire::Retries=3 -o APT::Sandbox::User=root -o Debug::NoLocking=1 "$@")
  "${apt[@]}" update
}
