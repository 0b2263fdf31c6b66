# shellcheck shell=bash
# Everything with this label was made by Cordon, and must be gone when its programs have ended.
set -euo pipefail

OWN_LABEL=dev.cordon.spec

# The filter for the engine's lists.
own_filter() { jq -rn --arg name "$OWN_LABEL" '{label: [$name]} | @json | @uri'; }

# Lists what is left on the engine, one per line; fails if there is anything.
no_leftovers() {
  local filter found
  filter=$(own_filter)
  found=$(
    api GET "/containers/json?all=1&filters=$filter" | jq -r '.[] | "container \(.Names[0]) (\(.Status))"'
    api GET "/networks?filters=$filter" | jq -r '.[] | "network \(.Name)"'
    api GET "/images/json?all=1&filters=$filter" | jq -r '.[] | "image \(.RepoTags[0] // .Id)"'
    api GET "/volumes?filters=$filter" | jq -r '.Volumes // [] | .[] | "volume \(.Name)"'
  )
  if [[ -n $found ]]; then
    printf 'left on the engine: %s\n' "${found//$'\n'/$'\n'left on the engine: }" >&2
    return 1
  fi
  echo 'nothing left on the engine'
}

# Removes the containers and networks of processes that had to be killed.
remove_leftovers() {
  local filter id
  filter=$(own_filter)
  for id in $(api GET "/containers/json?all=1&filters=$filter" | jq -r '.[].Id'); do
    api DELETE "/containers/$id?force=1&v=1"
  done
  for id in $(api GET "/networks?filters=$filter" | jq -r '.[].Id'); do
    api DELETE "/networks/$id"
  done
}
