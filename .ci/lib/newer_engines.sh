# shellcheck shell=bash
# The newest engines that Debian has, from its unstable release: Docker Engine 28.5, Podman 5.8, crun, rootless Docker and
# User-Mode Linux. One file system serves the engine in a container and the machine with cgroup v2.
set -euo pipefail

NEWER_ENGINES_TAR=$CORDON_CI_STATE/debian-sid-engines.tar
# A Linux kernel that runs as an ordinary process.
GUEST_KERNEL=$CORDON_CI_STATE/user-mode-linux
NEWER_ENGINES_IMAGE=cordon-test/newer-engine:1
NEWER_ENGINES_PACKAGES=(
  base-files base-passwd bash ca-certificates coreutils dash grep hostname iproute2 kmod libc-bin mount procps sed socat
  util-linux
  containerd docker.io iptables runc
  aardvark-dns catatonit conmon crun netavark podman
  rootlesskit slirp4netns uidmap
  user-mode-linux
)
# Dependencies of the packages that nothing here uses.
NEWER_ENGINES_UNUSED='^(debconf|dirmngr|docker-cli|gcc-16-base|gnupg|gnupg-l10n|gpg|gpg-agent|gpgconf|gpgsm|libsystemd-shared|pinentry-curses|systemd)$'

make_newer_engines_tar() {
  if [[ -s $NEWER_ENGINES_TAR && -d $GUEST_KERNEL ]]; then
    echo 'cached'
  else
    unpack_newer_engines
  fi
}

unpack_newer_engines() (
  work=$(mktemp -d "$CORDON_CI_STATE/sid.XXXXXX")
  trap 'rm -rf --one-file-system "$work" "$NEWER_ENGINES_TAR.new"' EXIT
  mkdir "$work/root" "$work/kernel"
  # The unstable release of a mirror may be older than its own validity date allows.
  release_apt "$work" sid -o Acquire::Check-Valid-Until=false
  "${apt[@]}" install -y -d --no-install-recommends "${NEWER_ENGINES_PACKAGES[@]}" </dev/null >"$work/log" 2>&1 || {
    tail -n 20 "$work/log" >&2
    die 'could not download the newer engines'
  }
  for package in "$work"/cache/archives/*.deb; do
    # shellcheck disable=SC2016 # the placeholder is its own
    name=$(dpkg-deb --showformat '${Package}' --show "$package")
    if [[ $name == user-mode-linux ]]; then
      dpkg -x "$package" "$work/kernel"
    elif ! [[ $name =~ $NEWER_ENGINES_UNUSED ]]; then
      dpkg -x "$package" "$work/root"
    fi
  done
  finish_newer_engines "$work/root"
  rm -rf "$GUEST_KERNEL"
  mv -T "$work/kernel" "$GUEST_KERNEL"
  tar -C "$work/root" --sort=name --numeric-owner --owner=0 --group=0 -cf "$NEWER_ENGINES_TAR.new" .
  mv "$NEWER_ENGINES_TAR.new" "$NEWER_ENGINES_TAR"
)

# Replaces the packages' own scripts.
finish_newer_engines() {
  local root=$1 file command
  for file in passwd group; do cp "$root/usr/share/base-passwd/$file.master" "$root/etc/$file"; done
  rmdir "$root/var/run" 2>/dev/null || :
  ln -s /run "$root/var/run"
  for command in ip{,6}tables{,-save,-restore}; do ln -s xtables-nft-multi "$root/usr/sbin/$command"; done
  rm -rf "$root"/usr/share/{doc,man,locale,bash-completion,i18n}
  cat "$root"/usr/share/ca-certificates/mozilla/*.crt >"$root/etc/ssl/certs/ca-certificates.crt"
}

# 1.44 is the oldest version of the API that Engine 29 speaks, which Debian does not have yet.
make_newer_engine_image() {
  build_engine_image "$NEWER_ENGINES_IMAGE" scratch "$NEWER_ENGINES_TAR" 'ENV DOCKER_MIN_API_VERSION=1.44'
}
