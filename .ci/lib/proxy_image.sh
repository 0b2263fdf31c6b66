# shellcheck shell=bash
# An image with Squid, the proxy that enforces a sandbox's allow-list.
set -euo pipefail

PROXY_TAR=$CORDON_CI_STATE/debian-12-squid.tar

make_proxy_tar() { make_layer "$PROXY_TAR" true squid; }

make_proxy_image() { build_layered cordon-test/squid:1 "$PROXY_TAR"; }
