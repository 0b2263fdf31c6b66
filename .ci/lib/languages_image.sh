# shellcheck shell=bash
# The test image with Java, npm and pip, for sandboxes whose packages come from a private registry.
set -euo pipefail

LANGUAGES_TAR=$CORDON_CI_STATE/debian-12-languages.tar

make_languages_tar() { make_layer "$LANGUAGES_TAR" true npm openjdk-17-jre-headless python3-pip; }

# Replaces the packages' own scripts: a link to Java, and its trust store, which has one authority here.
make_languages_image() (
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  ln -s "$LANGUAGES_TAR" "$work/root.tar"
  cat >"$work/Dockerfile" <<'DOCKERFILE'
FROM cordon-test/debian:12
ADD root.tar /
RUN ln -s ../lib/jvm/java-17-openjdk-amd64/bin/java ../lib/jvm/java-17-openjdk-amd64/bin/keytool /usr/bin/ && \
  mkdir -p /etc/ssl/certs/java && keytool -importcert -noprompt -alias own -storetype jks -storepass changeit \
  -file /usr/share/ca-certificates/mozilla/ISRG_Root_X1.crt -keystore /etc/ssl/certs/java/cacerts
DOCKERFILE
  tar -C "$work" -chf "$work.tar" Dockerfile root.tar
  api_stream POST '/build?t=cordon-test/languages:1&rm=1&forcerm=1' -H 'Content-Type: application/x-tar' -T "$work.tar"
  rm -f "$work.tar"
  echo 'cordon-test/languages:1: built'
)
