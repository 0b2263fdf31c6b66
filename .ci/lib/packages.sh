# shellcheck shell=bash
# Installs Debian packages without starting their services.
set -euo pipefail

SYSTEM_PACKAGES=(
  aardvark-dns btrfs-progs busybox-static ca-certificates catatonit clang-14 curl debootstrap docker-registry e2fsprogs
  fish gcc git iproute2 iptables jq libc6-dev libclang-rt-14-dev lld-14 netavark openssh-client openssh-server podman
  postgresql qemu-user-static socat zsh
)

install_system_packages() {
  local package wanted=("${SYSTEM_PACKAGES[@]}") missing=()
  # An engine from another source (docker-ce) works too, and conflicts with Debian's.
  command -v dockerd >/dev/null || wanted+=(docker.io)
  for package in "${wanted[@]}"; do
    [[ $(dpkg-query -W -f '${Status}' "$package" 2>/dev/null) == 'install ok installed' ]] || missing+=("$package")
  done
  if ((${#missing[@]} == 0)); then
    echo 'all installed'
    return
  fi
  # Also installs the newest keyring, which has the keys of the release that gVisor comes from.
  without_services apt_install "${missing[@]}" debian-archive-keyring
}

# Tries the existing package lists first, and fetches new ones only if that fails.
apt_install() {
  local attempt
  for attempt in 1 2 3; do
    if DEBIAN_FRONTEND=noninteractive apt-get install -y -q --no-install-recommends \
      -o Dpkg::Use-Pty=0 -o DPkg::Lock::Timeout=300 -o Acquire::Retries=3 "$@" </dev/null; then
      return
    fi
    printf 'apt-get install failed (attempt %d): fetching the package lists\n' "$attempt" >&2
    apt-get update -q -o Acquire::Retries=3 </dev/null || sleep 5
  done
  die "could not install: $*"
}

# Runs a command during which maintainer scripts do not start services (exit code 101 means "forbidden by policy").
without_services() (
  policy=/usr/sbin/policy-rc.d
  saved=$(mktemp -d)
  # shellcheck disable=SC2317 # called by the trap
  restore() {
    rm -f "$policy"
    [[ ! -e $saved/policy ]] || cp -a "$saved/policy" "$policy"
    rm -rf "$saved"
  }
  [[ ! -e $policy ]] || cp -a "$policy" "$saved/policy"
  trap restore EXIT
  printf '#!/bin/sh\nexit 101\n' >"$policy"
  chmod 755 "$policy"
  "$@"
)

# The mirror this system already uses, so that everything comes from one place.
debian_mirror() {
  local uri
  # shellcheck disable=SC2016 # the placeholder is apt's
  uri=$(apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 'Codename: bookworm' | sed -n 1p)
  printf '%s\n' "${uri:-http://deb.debian.org/debian}"
}
