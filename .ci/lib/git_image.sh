# shellcheck shell=bash
# The test image with git, for sandboxes that clone.
set -euo pipefail

GIT_TAR=$CORDON_CI_STATE/debian-12-git.tar

make_git_tar() { make_layer "$GIT_TAR" true git; }

make_git_image() { build_layered cordon-test/git:1 "$GIT_TAR"; }
