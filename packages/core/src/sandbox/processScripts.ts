import { setLanguage } from "./commandShell.ts"
import { fileExit } from "./fileScripts.ts"
import { marked } from "./killScript.ts"

/** The environment variable by which what a background process started is known. */
export const processMarker = "CORDON_PROCESS"

export const processExit = { taken: 82, missing: 83 } as const

/**
 * Where the background processes of this user have their folders, each with its command, its mark,
 * its logs and in the end its exit code. Nobody else may have made that folder, or a link in its
 * place: what is written there would go where they like.
 */
const base = `base=/tmp/.cordon-$(id -u)
mkdir -m 700 "$base" 2>/dev/null
[ -d "$base" ] && [ ! -L "$base" ] && [ -O "$base" ] || { echo "$base is not this user's own folder" >&2; exit ${fileExit.denied}; }
`

/** Whether the process of the folder $1 runs; one whose ID is not yet written down does. */
const alive = `${marked}
alive() {
  [ ! -e "$1/exit" ] || return 1
  [ -e "$1/pid" ] || return 0
  read -r pid <"$1/pid"
  read -r mark <"$1/mark"
  marked "/proc/$pid/environ" 2>/dev/null
}
`

/** Enters the folder of the process $1. */
const enter = `${base}${alive}
dir=$base/$1
[ -d "$dir" ] || exit ${processExit.missing}
cd "$dir" || exit ${fileExit.denied}
`

/**
 * $1: name, $2: mark, $3: the command for people, then the command. It runs on when this ends; its
 * shell waits for it, to write down how it ended.
 */
export const startScript = `${base}${alive}
dir=$base/$1
if ! mkdir "$dir" 2>/dev/null; then
  if alive "$dir"; then exit ${processExit.taken}; fi
  rm -rf "$dir"
  mkdir "$dir" || exit ${fileExit.failed}
fi
printf '%s\\n' "$2" >"$dir/mark" && printf '%s' "$3" >"$dir/command" && date +%s >"$dir/started" || exit ${fileExit.failed}
shift 3
(
  # A signal to all of them is for the command to answer. Its own handling is the default again.
  trap : HUP INT TERM
  ${setLanguage}
  # The program, not what the shell has under its name; to exec a dash would begin an option.
  case $1 in -*) "$@" ;; *) (exec "$@") ;; esac
  echo "$?" >"$dir/exit.new" && mv "$dir/exit.new" "$dir/exit"
) </dev/null >"$dir/stdout" 2>"$dir/stderr" &
echo "$!" >"$dir/pid.new" && mv "$dir/pid.new" "$dir/pid"
`

/** Prints for each process: name, ID, start in seconds, exit code or nothing, command; all with NUL. */
export const listProcessesScript = `${base}${alive}
for dir in "$base"/*; do
  [ -d "$dir" ] || continue
  pid= started= code= command=
  if ! alive "$dir"; then
    code=137
    [ ! -e "$dir/exit" ] || read -r code <"$dir/exit"
  fi
  [ ! -e "$dir/started" ] || read -r started <"$dir/started"
  command=$(head -c 1000 "$dir/command")
  printf '%s\\0' "\${dir##*/}" "$pid" "$started" "$code" "$command"
done 2>/dev/null
exit 0
`

/** $1: name, $2: bytes. Prints the ends of both logs, each to where the process wrote it. */
export const logsScript = `${enter}
tail -c "$2" stdout && tail -c "$2" stderr >&2 || exit ${fileExit.failed}
`

/**
 * $1: name, $2: 1 to begin with what is there already. Prints what the process writes until it has
 * ended, and ends with its exit code.
 */
export const followScript = `${enter}
drain() {
  size=$(($(wc -c <"$1")))
  [ "$size" -le "$2" ] || tail -c +"$(($2 + 1))" "$1" | head -c "$((size - $2))"
}
out=0 err=0
[ "$2" = 1 ] || { out=$(($(wc -c <stdout))) err=$(($(wc -c <stderr))); }
while [ -d "$dir" ]; do
  # Looked at before the logs: what it wrote last is then in them.
  ended=
  alive . || ended=1
  drain stdout "$out"
  out=$size
  drain stderr "$err" >&2
  err=$size
  [ -z "$ended" ] || break
  sleep 0.2
done
code=137
[ ! -e exit ] || read -r code <exit
exit "$code"
`

/**
 * $1: name, $2: how many tenths of a second to wait. Asks all that the process started to end.
 * Prints its mark if something is left.
 */
export const terminateScript = `${enter}
read -r mark <mark
round=0
while :; do
  left=
  for process in /proc/[0-9]*; do
    marked "$process/environ" || continue
    left=1
    [ "$round" -gt 0 ] || kill -TERM "\${process#/proc/}"
  done 2>/dev/null
  [ -n "$left" ] || exit 0
  [ "$round" -lt "$2" ] || break
  round=$((round + 1))
  sleep 0.1
done
printf '%s' "\${mark#*=}"
`

/** $1: name. Takes the folder of a process away. */
export const forgetScript = `${enter}
cd / && rm -rf "$dir"
`
