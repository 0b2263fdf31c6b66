/**
 * What runs inside a sandbox for us: POSIX sh and nothing else, unless said. Paths come as
 * positional parameters, always absolute, so that no name can be taken for an option.
 */
import { type ExecRequest, explain, fileExit, killProcessesScript, scriptArgv } from "@cordon/core"

/** The environment variable by which the processes of one command are known. */
export const marker = "CORDON_EXEC_ID"

/** The program of a command and its arguments: a text is for a shell. */
export const argvOf = (command: ExecRequest["command"]) =>
  typeof command === "string" ? scriptArgv(command) : command

/** $1: the marker's value. Kills the command; exit code 0: none of it is left. */
export const killScript = killProcessesScript(marker)

/** Prints `oom_kill`, and how often that was, of the container's memory limit. */
export const oomScript = `cd /sys/fs/cgroup || exit
for file in memory.events memory/memory.oom_control; do
  [ -r $file ] || continue
  while read -r name count; do [ $name != oom_kill ] || echo "$name $count"; done <$file
done
`

/**
 * $1: a word, and a command. Says on stderr by the word that the command has ended, and reads what
 * that left of its input: Podman can't be rid of it, and loses what the command wrote.
 */
export const readOnScript = `word=$1
shift
exec 3>&2 2>/dev/null
# In parentheses, or the shell puts its own "Killed" among the output. Some shells take a name that
# begins with a dash for an option of exec, and others know no "--"; no builtin has such a name.
case $1 in
  -*) ("$@" 2>&3 3>&-) ;;
  *) (exec "$@" 2>&3 3>&-) ;;
esac
code=$?
printf '\\036%s\\n' "$word" >&3
cat >/dev/null
exit $code
`

/**
 * $1: path. Prints kind, size in bytes, permission bits in octal, and the time of the last change in
 * seconds and as a date with fractions of them.
 */
export const statScript = `${explain}
[ -e "$1" ] || { explain "$1"; exit ${fileExit.notFound}; }
if [ -f "$1" ]; then kind=file; elif [ -d "$1" ]; then kind=directory; else kind=other; fi
stat -L -c "$kind %s %a %Y %y" "$1" || exit ${fileExit.failed}
`

/** $1: path, $2: offset, $3: length, empty for all. Prints the bytes. */
export const readScript = `${explain}
[ -e "$1" ] || { explain "$1"; exit ${fileExit.notFound}; }
[ ! -d "$1" ] || exit ${fileExit.directory}
[ -f "$1" ] || exit ${fileExit.notRegular}
[ -r "$1" ] || exit ${fileExit.denied}
exec <"$1" || exit ${fileExit.denied}
[ "$2" -ne 0 ] || [ -n "$3" ] || exec cat
[ "$2" -ne 0 ] || exec head -c "$3"
skip() { tail -c +"$(($2 + 1))"; }
if [ -z "$3" ]; then skip "$@"; else skip "$@" 2>/dev/null | head -c "$3"; fi || exit ${fileExit.failed}
`

// A temporary file is beside its target, so that the rename stays within one file system.
const prepare = `${explain}
target=$1 tag=$2
links=0
while [ -L "$target" ]; do
  links=$((links + 1))
  [ "$links" -le 40 ] || exit ${fileExit.loop}
  to=$(readlink "$target" && echo x) || exit ${fileExit.denied}
  to=\${to%?x}
  case $to in /*) target=$to ;; *) target=\${target%/*}/$to ;; esac
done
case $target in */) exit ${fileExit.directory} ;; esac
dir=\${target%/*}
dir=\${dir:-/}
[ ! -d "$target" ] || exit ${fileExit.directory}
[ ! -e "$target" ] || [ -f "$target" ] || exit ${fileExit.notRegular}
temporary=$dir/.cordon-$tag
`

const refuseParent = `{ d=$dir
    while [ ! -e "$d" ] && [ -n "$d" ]; do d=\${d%/*}; done
    [ -d "\${d:-/}" ] || exit ${fileExit.notDirectory}
    [ -w "\${d:-/}" ] || exit ${fileExit.denied}
    exit ${fileExit.failed}; }`

/** How a script takes its input, and what stands here where that goes with the script. */
export const contentOfStdin = "content() { cat; }; whole="

/**
 * $1: path, $2: tag of the temporary file, $3: permission bits in octal or empty, $4: size or
 * empty, $5: time of the last change in seconds with fractions or empty, $6: in whole seconds, for a
 * touch that reads no others. Stages its content, and commits it where the size is known and right.
 * Where that fails, the temporary file may stay.
 */
export const writeScript = `${prepare}
${contentOfStdin}
size=$4 mode=$3
[ -d "$dir" ] || mkdir -p "$dir" 2>/dev/null || ${refuseParent}
cd "$dir" || exit ${fileExit.denied}
if [ -e "$target" ]; then
  [ -w "$target" ] || exit ${fileExit.denied}
  [ -n "$mode" ] || mode=$(stat -L -c %a "$target")
fi
[ -w "$dir" ] || exit ${fileExit.denied}
mode=\${mode:-644}
# A file that may have its permissions from the start needs no further program.
case $mode in
  600) umask 077 && mode= ;;
  640) umask 027 && mode= ;;
  644) umask 022 && mode= ;;
  *) umask 077 ;;
esac
trap 'rm -f "$temporary"' EXIT
trap 'exit 143' HUP INT TERM
set -C
: >"$temporary" || exit ${fileExit.denied}
set +C
content >"$temporary" || exit ${fileExit.failed}
[ -z "$mode" ] || chmod "$mode" "$temporary" || exit ${fileExit.failed}
[ -z "$5" ] || touch -d "@$5" "$temporary" 2>/dev/null || touch -d "@$6" "$temporary" || exit ${fileExit.failed}
if [ -n "$size" ]; then
  [ -n "$whole" ] || [ "$(($(wc -c <"$temporary")))" -eq "$size" ] || exit ${fileExit.size}
  # Instead of the shell, which would only wait for it.
  trap - EXIT
  exec mv -f "$temporary" "$target"
fi
trap - EXIT
`

/** $1: path, $2: tag. Puts a staged file in place. */
export const commitScript = `${prepare}
mv -f "$temporary" "$target" || { rm -f "$temporary"; exit ${fileExit.failed}; }
`

/** $1: path, $2: tag. Takes a staged file away. */
export const discardScript = `${prepare}
rm -f "$temporary"
`

const needTar = `command -v tar >/dev/null || { echo "the image has no tar" >&2; exit ${fileExit.failed}; }`

/** $1: folder. Prints a tar archive of what is in it. */
export const getArchiveScript = `${explain}
[ -e "$1" ] || { explain "$1"; exit ${fileExit.notFound}; }
[ -d "$1" ] || exit ${fileExit.notFile}
[ -r "$1" ] && [ -x "$1" ] || exit ${fileExit.denied}
${needTar}
cd "$1" || exit ${fileExit.denied}
exec tar -cf - .
`

/** $1: folder. Unpacks a tar archive from standard input into it. */
export const putArchiveScript = `
dir=$1
if [ -e "$dir" ] && [ ! -d "$dir" ]; then exit ${fileExit.notFile}; fi
mkdir -p "$dir" 2>/dev/null || ${refuseParent}
[ -w "$dir" ] && [ -x "$dir" ] || exit ${fileExit.denied}
${needTar}
cd "$dir" || exit ${fileExit.denied}
tar -xof - || exit ${fileExit.failed}
# What follows the archive's end is read, or the sender would wait for ever.
cat >/dev/null
`

/** $1: folder, $2: user. Gives a folder that the engine just made as root to the sandbox's user. */
export const ownWorkdirScript = `
[ -z "$(ls -A "$1")" ] && chown "$2" "$1"
exit 0
`
