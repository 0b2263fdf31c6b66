# shellcheck shell=bash
# A registry on loopback (which engines trust without TLS), so that tests pull for real.
set -euo pipefail

REGISTRY_PID=$CORDON_CI_RUN/registry.pid
REGISTRY_PORT=$CORDON_CI_RUN/registry.port

ensure_registry() {
  # The last published image shows that all are published.
  if live_pid "$REGISTRY_PID" docker-registry >/dev/null && registry_answers /v2/cordon/busybox/manifests/1; then
    echo 'running already'
  else
    stop_registry
    start_registry
    publish_images
  fi
  printf 'registry on %s\n' "$(registry_address)"
}

publish_images() {
  publish cordon-test/debian:12 cordon/debian 12
  # A layer that no local image shares, so that a pull really transfers data.
  import_image cordon-test/registry-busybox 1 "$REGISTRY_BUSYBOX_TAR" 'CMD ["sh"]'
  publish cordon-test/registry-busybox:1 cordon/busybox 1
  api DELETE /images/cordon-test/registry-busybox:1 >/dev/null
}

registry_address() { printf '127.0.0.1:%s\n' "$(<"$REGISTRY_PORT")"; }

# registry_answers [PATH]
registry_answers() { curl -sf --max-time 5 -o /dev/null "http://$(registry_address)${1:-/v2/}"; }

start_registry() {
  local config=$CORDON_CI_RUN/registry.yml log=$CORDON_CI_RUN/registry.log
  rm -rf "$CORDON_CI_RUN/registry"
  free_port >"$REGISTRY_PORT"
  # JSON is YAML too.
  jq -n --arg folder "$CORDON_CI_RUN/registry" --arg address "$(registry_address)" '{
    version: 0.1,
    log: {level: "warn", accesslog: {disabled: true}},
    storage: {filesystem: {rootdirectory: $folder}, delete: {enabled: true}},
    http: {addr: $address}
  }' >"$config"
  setsid nohup docker-registry serve "$config" </dev/null >"$log" 2>&1 &
  printf '%d\n' "$!" >"$REGISTRY_PID"
  if ! wait_for 20 registry_answers; then
    tail -n 20 "$log" >&2
    die 'the registry did not answer within 20 s'
  fi
}

stop_registry() { stop_pid "$REGISTRY_PID" docker-registry 10; }

free_port() {
  local port
  for port in {5000..5050}; do
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      printf '%d\n' "$port"
      return
    fi
  done
  die 'no free port for the registry'
}

# publish IMAGE REPOSITORY TAG: pushes it, then forgets the local name, so that using it means a pull.
publish() {
  local image=$1 repository tag=$3
  repository=$(registry_address)/$2
  api POST "/images/$image/tag?repo=$(uri "$repository")&tag=$tag"
  # The header must be there even when the registry asks for no login: "{}" in base64.
  api_stream POST "/images/$repository/push?tag=$tag" -H 'X-Registry-Auth: e30='
  api DELETE "/images/$repository:$tag" >/dev/null
  printf '%s:%s: pushed\n' "$repository" "$tag"
}
