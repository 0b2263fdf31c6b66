# shellcheck shell=bash
# The Engine API through curl and jq: the same interface that Cordon uses, without a client.
set -euo pipefail

DOCKER_SOCKET=/var/run/docker.sock

# api METHOD PATH [CURL OPTION...]: the body on stdout; an HTTP error fails and shows the engine's message.
api() {
  local method=$1 path=$2
  shift 2
  curl -sS --fail-with-body --max-time 300 --unix-socket "$DOCKER_SOCKET" -X "$method" "$@" "http://engine$path"
}

# api_stream: for endpoints that answer 200 and report a failure later, as an `error` in a stream of JSON.
api_stream() {
  local answer
  answer=$(api "$@") || {
    printf '%s\n' "$answer" >&2
    return 1
  }
  if jq -e -s 'any(has("error"))' <<<"$answer" >/dev/null; then
    jq -r 'select(.error) | .error' <<<"$answer" >&2
    return 1
  fi
}

uri() { jq -rn --arg v "$1" '$v | @uri'; }

engine_answers() { [[ $(api GET /_ping --max-time 5 2>/dev/null) == OK ]]; }

engine_has_runtime() { api GET /info | jq -e --arg r "$1" '.Runtimes | has($r)' >/dev/null; }

# run_container JSON: runs it to its end and gives {"exit":n,"oom":bool,"output":"..."}.
# It must have a terminal: then its log is plain text. Otherwise the log is framed.
run_container() (
  id=$(api POST /containers/create -H 'Content-Type: application/json' -d "$1" | jq -er .Id)
  trap 'api DELETE "/containers/$id?force=1&v=1" >/dev/null || true' EXIT
  api POST "/containers/$id/start" >/dev/null
  api POST "/containers/$id/wait" --max-time 60 >/dev/null
  output=$(api GET "/containers/$id/logs?stdout=1&stderr=1")
  # The report that the kernel killed it for lack of memory may come after its end.
  for _ in 1 2 3 4 5; do
    state=$(api GET "/containers/$id/json" | jq -c .State)
    jq -e '.ExitCode != 137 or .OOMKilled' <<<"$state" >/dev/null && break
    sleep 0.4
  done
  jq -c --arg output "$output" '{exit: .ExitCode, oom: .OOMKilled, output: $output}' <<<"$state"
)
