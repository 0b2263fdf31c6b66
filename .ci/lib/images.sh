# shellcheck shell=bash
# The images of the tests. All are built here, so that a machine without access to an image registry can run the tests.
set -euo pipefail

DEBIAN_PACKAGES=procps,iproute2,python3-minimal
REGISTRY_BUSYBOX_TAR=$CORDON_CI_RUN/registry-busybox.tar
DEBIAN_TAR=$CORDON_CI_STATE/debian-12-minbase,$DEBIAN_PACKAGES.tar

make_images() {
  import_image cordon-test/debian 12 "$DEBIAN_TAR" 'CMD ["bash"]'
  make_user_image
  make_busybox_images
}

# Debian with the programs that an agent's shell commands expect: ps, ip, setsid, perl, python3.
make_debian_tar() {
  if [[ -s $DEBIAN_TAR ]]; then
    echo 'cached'
  else
    debootstrap_tar
  fi
}

debootstrap_tar() (
  root=$(mktemp -d "$CORDON_CI_STATE/debian.XXXXXX")
  trap 'rm -rf --one-file-system "$root" "$DEBIAN_TAR.new"' EXIT
  chmod 755 "$root"
  debootstrap --variant=minbase --include="$DEBIAN_PACKAGES" bookworm "$root" "$(debian_mirror)" >"$root.log" 2>&1 || {
    tail -n 40 "$root.log" >&2
    die 'debootstrap failed'
  }
  rm -rf "$root.log" "$root"/var/cache/apt/archives/*.deb "$root"/var/lib/apt/lists/* "$root"/var/log/*.log
  tar -C "$root" --one-file-system --numeric-owner --exclude='./dev/*' --exclude='./proc/*' --exclude='./sys/*' \
    -cf "$DEBIAN_TAR.new" .
  mv "$DEBIAN_TAR.new" "$DEBIAN_TAR"
)

# import_image NAME TAG TAR [CHANGE...]: skipped if the engine already has it from the same source.
import_image() {
  local name=$1 tag=$2 tar=$3 source query change
  shift 3
  source=$({ printf '%s\n' "$@"; cat "$tar"; } | sha256sum | cut -d ' ' -f 1)
  if [[ $(api GET "/images/$name:$tag/json" 2>/dev/null | jq -r '.Comment // empty') == "$source" ]]; then
    printf '%s:%s: there already\n' "$name" "$tag"
    return
  fi
  query="fromSrc=-&repo=$(uri "$name")&tag=$tag&message=$source"
  for change in "$@"; do query+="&changes=$(uri "$change")"; done
  # -T streams the file where -d would load it.
  api_stream POST "/images/create?$query" -H 'Content-Type: application/x-tar' -T "$tar"
  printf '%s:%s: imported\n' "$name" "$tag"
}

# An image whose default user is not root and has a home folder.
make_user_image() (
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  cat >"$work/Dockerfile" <<'END'
FROM cordon-test/debian:12
RUN useradd --create-home --uid 1000 --user-group --shell /bin/bash agent
USER 1000:1000
WORKDIR /home/agent
END
  tar -C "$work" -cf "$work.tar" Dockerfile
  api_stream POST '/build?t=cordon-test/user:1&rm=1&forcerm=1' -H 'Content-Type: application/x-tar' -T "$work.tar"
  rm -f "$work.tar"
  echo 'cordon-test/user:1: built'
)

make_busybox_images() (
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT

  # Nothing but a POSIX shell and its tools.
  root=$work/busybox
  mkdir -p "$root"/{bin,dev,etc,proc,root,sys}
  mkdir -m 1777 "$root/tmp"
  install -m 755 "$(command -v busybox)" "$root/bin/busybox"
  for applet in $("$root/bin/busybox" --list); do
    [[ $applet == busybox ]] || ln -s busybox "$root/bin/$applet"
  done
  printf 'root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/sh\n' >"$root/etc/passwd"
  printf 'root:x:0:\nnogroup:x:65534:\n' >"$root/etc/group"
  steady_tar "$root" "$work/busybox.tar"
  import_image cordon-test/busybox 1 "$work/busybox.tar" 'CMD ["sh"]'

  # The same with one more file, for the registry.
  echo 'served by a registry' >"$root/etc/origin"
  steady_tar "$root" "$REGISTRY_BUSYBOX_TAR"

  # One binary that can only sleep, and no shell.
  mkdir -p "$work/noshell/bin"
  install -m 755 "$(command -v busybox)" "$work/noshell/bin/sleep"
  steady_tar "$work/noshell" "$work/noshell.tar"
  import_image cordon-test/noshell 1 "$work/noshell.tar" 'CMD ["/bin/sleep","2147483647"]'
)

# The same content gives the same bytes, so an unchanged image is recognized.
steady_tar() {
  tar -C "$1" --sort=name --mtime=@0 --numeric-owner --owner=0 --group=0 -cf "$2" .
}

# The image that most users have, if the network can provide it. With a time limit, because many networks can't.
pull_ubuntu() {
  if api GET /images/ubuntu:24.04/json >/dev/null 2>&1; then
    echo 'there already'
  elif api_stream POST '/images/create?fromImage=ubuntu&tag=24.04' --max-time 20; then
    echo 'pulled'
  else
    echo 'not reachable; the tests use cordon-test/debian:12'
  fi
}

default_image() {
  if api GET /images/ubuntu:24.04/json >/dev/null 2>&1; then
    echo ubuntu:24.04
  else
    echo cordon-test/debian:12
  fi
}
