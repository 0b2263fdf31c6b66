# shellcheck shell=bash
# The files that the init is compiled with, for each architecture: musl, the kernel's headers and the compiler's own library.
# They are single packages of Debian 12, the same for both architectures.
set -euo pipefail

INIT_ARCHITECTURES=(amd64 arm64)
INIT_SYSROOTS=$CORDON_CI_STATE/init-sysroots

fetch_init_sysroots() {
  local architecture
  for architecture in "${INIT_ARCHITECTURES[@]}"; do
    [[ -d $INIT_SYSROOTS/$architecture ]] || unpack_init_sysroot "$architecture"
    cat "$INIT_SYSROOTS/$architecture/packages"
  done
}

unpack_init_sysroot() (
  architecture=$1
  mkdir -p "$INIT_SYSROOTS"
  work=$(mktemp -d "$INIT_SYSROOTS/new.XXXXXX")
  trap 'rm -rf "$work"' EXIT
  mkdir "$work/root"
  release_apt "$work" bookworm -o "APT::Architecture=$architecture" -o "APT::Architectures=$architecture"
  cd "$work"
  "${apt[@]}" download musl-dev linux-libc-dev libclang-rt-14-dev
  for package in ./*.deb; do
    dpkg -x "$package" root
    # shellcheck disable=SC2016 # the placeholders are its own
    dpkg-deb --showformat '${Package} ${Version}\n' --show "$package"
  done >root/packages
  # Renamed into place, so that an interrupted copy is never used as the cached one.
  mv -T root "$INIT_SYSROOTS/$architecture"
)
