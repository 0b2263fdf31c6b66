import type { Sandbox } from "@cordon/core"
import { Duration, Effect, type PlatformError, type Stream } from "effect"
import { type Place, platformError, systemError } from "./failure.ts"

type Failure = PlatformError.PlatformError

/** Exit codes with which scripts report a failure. */
export const scriptExit = { missing: 91, exists: 92, wrong: 93 } as const

const failureOf = (place: Place, exitCode: number, stderr: string): Failure => {
  const said = stderr.trim().slice(-500)
  const fail = (tag: PlatformError.SystemErrorTag, otherwise: string) =>
    systemError(place, tag, said === "" ? otherwise : said)
  if (exitCode === scriptExit.missing || /no such file/i.test(said)) {
    return fail("NotFound", "there is no such file")
  }
  if (exitCode === scriptExit.exists || /file exists|cannot overwrite existing/i.test(said)) {
    return fail("AlreadyExists", "something is there already")
  }
  if (exitCode === scriptExit.wrong || /not a directory|is a directory|too many/i.test(said)) {
    return fail("BadResource", "it is of another kind than is needed")
  }
  if (/permission denied|not permitted|read-only/i.test(said)) {
    return fail("PermissionDenied", "the sandbox's user may not do that")
  }
  return fail("Unknown", `the sandbox's shell ended with exit code ${exitCode}`)
}

/** Options of a script besides its paths. */
interface ScriptOptions {
  readonly args?: ReadonlyArray<string>
  /** Given as long as it comes; a script without has the sandbox's time limit. */
  readonly stdin?: Stream.Stream<Uint8Array>
}

/**
 * Runs a script in the sandbox's shell for operations that its file API lacks. Paths are absolute,
 * so that none is taken for an option.
 *
 * @returns the script's output
 */
export const runScript = (
  sandbox: Sandbox,
  place: Place,
  script: string,
  paths: readonly [string, ...ReadonlyArray<string>],
  { args = [], stdin }: ScriptOptions = {},
): Effect.Effect<string, Failure> =>
  sandbox
    .exec(["/bin/sh", "-c", script, "sh", ...paths, ...args], {
      env: { LC_ALL: "C" },
      outputLimit: 64 * 1024,
      stdin,
      timeout: stdin === undefined ? undefined : Duration.infinity,
    })
    .pipe(
      Effect.mapError(platformError(place)),
      Effect.flatMap(({ exitCode, timedOut, stdout, stderr }) => {
        if (timedOut) return Effect.fail(systemError(place, "TimedOut", "it took too long"))
        return exitCode === 0
          ? Effect.succeed(stdout)
          : Effect.fail(failureOf(place, exitCode, stderr))
      }),
    )

const { missing, exists, wrong } = scriptExit
const there = `[ -e "$1" ] || [ -L "$1" ] || exit ${missing}`
const free = `if [ -e "$2" ] || [ -L "$2" ]; then exit ${exists}; fi`

/** Scripts by operation. `$1` is the path, and `$2` the target. */
export const scripts = {
  access: `[ -e "$1" ] || exit ${missing}
for right in $2; do [ "$right" "$1" ] || { echo "permission denied" >&2; exit 1; }; done`,
  append: `cat >> "$1"`,
  chmod: `chmod "$2" "$1"`,
  chown: `chown "$2" "$1"`,
  // Each file by itself: the options of \`cp\` differ between images.
  copy: `copy() (
  if [ -L "$1" ]; then
    if [ -e "$2" ] || [ -L "$2" ]; then [ "$3" = yes ] && rm "$2" || return 0; fi
    ln -s -- "$(readlink "$1")" "$2"
  elif [ -d "$1" ]; then
    if [ -e "$2" ]; then [ -d "$2" ] || return ${wrong}; else mkdir "$2" || return 1; fi
    for from in "$1"/* "$1"/.[!.]* "$1"/..?*; do
      if [ -e "$from" ] || [ -L "$from" ]; then
        copy "$from" "$2/\${from##*/}" "$3" "$4" || return $?
      fi
    done
    if [ "$4" = yes ]; then touch -r "$1" "$2"; fi
  elif [ -f "$1" ]; then
    [ -d "$2" ] && return ${wrong}
    if [ "$3" = no ] && [ -e "$2" ]; then return 0; fi
    if [ "$4" = yes ]; then cp -p "$1" "$2"; else cp "$1" "$2"; fi
  else
    return ${wrong}
  fi
)
${there}
case "$2/" in "$1"/*) echo "it is inside of what is to be copied" >&2; exit ${wrong} ;; esac
copy "$1" "$2" "$3" "$4"`,
  copyFile: `[ -e "$1" ] || exit ${missing}
if [ ! -f "$1" ] || [ -d "$2" ]; then exit ${wrong}; fi
cp "$1" "$2"`,
  create: `set -C
: > "$1"`,
  empty: `[ -e "$1" ] || exit ${missing}
[ -d "$1" ] && exit ${wrong}
: > "$1"`,
  link: `${there}
${free}
ln "$1" "$2"`,
  /** Prints the target of a link; nothing for others. */
  linkTarget: `${there}
if [ -L "$1" ]; then readlink "$1"; fi`,
  makeFolder: `if [ -e "$1" ] || [ -L "$1" ]; then exit ${exists}; fi
mkdir "$1"`,
  realPath: `[ -e "$1" ] || exit ${missing}
readlink -f "$1"`,
  symlink: `if [ -e "$1" ] || [ -L "$1" ]; then exit ${exists}; fi
ln -s -- "$2" "$1"`,
  touch: `[ -e "$1" ] || exit ${missing}
for which in a m; do
  # POSIX has the first of the two, and BusyBox the second.
  touch -$which -d "$2" "$1" 2>/dev/null || touch -$which -d "@$3" "$1" || exit 1
  set -- "$1" "$4" "$5"
done`,
} as const

/** The output of a script, without the trailing newline. */
export const lineOf = (text: string): string => text.replace(/\n$/, "")
