# shellcheck shell=bash
# Debian packages as a layer over the test image, for images with additional programs.
set -euo pipefail

# make_layer TAR FINISH PACKAGE...: the packages and their dependencies that the test image lacks, which apt computes from the
# image's own list of packages. FINISH is called with the layer's root.
make_layer() {
  if [[ -s $1 ]]; then
    echo 'cached'
  else
    unpack_layer "$@"
  fi
}

unpack_layer() (
  tar=$1 finish=$2
  shift 2
  work=$(mktemp -d "$CORDON_CI_STATE/layer.XXXXXX")
  trap 'rm -rf --one-file-system "$work" "$tar.new"' EXIT
  mkdir -p "$work/archives/partial" "$work/root/usr/local/bin"
  tar -C "$work" -xf "$DEBIAN_TAR" ./var/lib/dpkg/status
  download_packages "$@"
  for package in "$work"/archives/*.deb; do dpkg -x "$package" "$work/root"; done
  # In the image these are links into /usr. A folder of the same name would replace the link.
  for folder in bin sbin lib lib64; do
    [[ ! -d $work/root/$folder ]] || cp -a "$work/root/$folder" "$work/root/usr/"
    rm -rf "${work:?}/root/$folder"
  done
  "$finish" "$work/root"
  rm -rf "$work"/root/usr/share/{doc,man,locale}
  tar -C "$work/root" --sort=name --numeric-owner --owner=0 --group=0 -cf "$tar.new" .
  mv "$tar.new" "$tar"
)

download_packages() {
  local attempt
  for attempt in 1 2 3; do
    if apt-get install -y -q -d --no-install-recommends -o "Dir::State::status=$work/var/lib/dpkg/status" \
      -o "Dir::Cache::archives=$work/archives" -o Debug::NoLocking=1 -o APT::Sandbox::User=root \
      -o Acquire::Retries=3 "$@" </dev/null >"$work/log" 2>&1; then
      return
    fi
    printf 'the download failed (attempt %d): fetching the package lists\n' "$attempt" >&2
    apt-get update -q -o Acquire::Retries=3 </dev/null || sleep 5
  done
  tail -n 20 "$work/log" >&2
  die "could not download: $*"
}

# build_layered IMAGE TAR: the test image with a layer and nothing else.
build_layered() (
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  ln -s "$2" "$work/root.tar"
  printf 'FROM cordon-test/debian:12\nADD root.tar /\n' >"$work/Dockerfile"
  tar -C "$work" -chf "$work.tar" Dockerfile root.tar
  api_stream POST "/build?t=$1&rm=1&forcerm=1" -H 'Content-Type: application/x-tar' -T "$work.tar"
  rm -f "$work.tar"
  printf '%s: built\n' "$1"
)
