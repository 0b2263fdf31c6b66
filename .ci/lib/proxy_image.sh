# shellcheck shell=bash
# An image with Squid in it, as builders have it: the proxy that enforces a sandbox's allow-list.
set -euo pipefail

PROXY_TAR=$CORDON_CI_STATE/debian-12-squid.tar

make_proxy_tar() { make_layer "$PROXY_TAR" true squid; }

make_proxy_image() (
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  ln -s "$PROXY_TAR" "$work/root.tar"
  printf 'FROM cordon-test/debian:12\nADD root.tar /\n' >"$work/Dockerfile"
  tar -C "$work" -chf "$work.tar" Dockerfile root.tar
  api_stream POST '/build?t=cordon-test/squid:1&rm=1&forcerm=1' -H 'Content-Type: application/x-tar' -T "$work.tar"
  rm -f "$work.tar"
  echo 'cordon-test/squid:1: built'
)
