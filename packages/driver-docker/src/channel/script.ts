import { findShell, setLanguage } from "@cordon/core"
import { contentOfStdin, marker } from "../sandbox/scripts.ts"

/** Begins what a channel says of itself: a character that text hardly ever ends with. */
export const sign = "\x1e"

/**
 * A lane: a shell that runs one command after the other (docs/decisions/0015). It takes a line with
 * three words from its standard input, says that it is ready, and arms: a fresh shell in a session
 * of its own waits for what to run on the same standard input, its outputs two new pipes that a
 * `cat` each carries to the lane's own. When that has ended, the lane tells its exit code past the
 * pipes, and through them, after all that it wrote, that this was all. It arms again only once
 * nothing holds the pipes any more.
 *
 * Nothing here is a file, and no name of a program is looked up where the sandbox's user may write.
 */
export const laneScript = `fail() { printf '\\036no %s\\n' "$1"; exit 3; }
find() {
  for _cordon_at in /usr/bin /bin /usr/sbin /sbin; do
    [ -x "$_cordon_at/$1" ] && _cordon_at=$_cordon_at/$1 && return
  done
  fail "the image has no $1"
}
find cat
_cordon_cat=$_cordon_at
find setsid
_cordon_setsid=$_cordon_at _cordon_1= _cordon_2=
exec 9>&2 2>/dev/null
while read -r _cordon_ready _cordon_end _cordon_mark; do
  # Lets the shell notice which of its children have ended.
  jobs >/dev/null
  if [ -n "$_cordon_1" ] && { kill -0 "$_cordon_1" || kill -0 "$_cordon_2"; }; then
    printf '\\036%s-\\n' "$_cordon_ready"
    continue
  fi
  # A shell makes a pipe of a short here-document; both its ends can be opened again.
  exec 4<<E

E
  exec 5<<E

E
  [ -p /proc/self/fd/4 ] && [ -p /proc/self/fd/5 ] || fail "the shell makes no pipes"
  read -r _cordon_x <&4
  read -r _cordon_x <&5
  exec 6>/proc/self/fd/4 7>/proc/self/fd/5
  "$_cordon_cat" <&4 4<&- 5<&- 6>&- 7>&- 9>&- &
  _cordon_1=$!
  "$_cordon_cat" <&5 >&9 4<&- 5<&- 6>&- 7>&- 9>&- &
  _cordon_2=$!
  exec 4<&- 5<&-
  printf '\\036%s+\\n' "$_cordon_ready"
  # In parentheses, or a shell that redirects before it forks puts its own "Killed" among the output.
  (
    export ${marker}="$_cordon_mark"
    exec "$_cordon_setsid" /bin/sh >&6 2>&7 6>&- 7>&- 9>&-
  )
  printf '\\036%s=%s\\n' "$_cordon_ready" "$?"
  printf '\\036%s\\n' "$_cordon_end" >&6
  printf '\\036%s\\n' "$_cordon_end" >&7
  exec 6>&- 7>&-
done
`

/** Takes `laneScript` from standard input, so that lists of processes stay short. */
export const laneCommand = `# cordon exec channel
while IFS= read -r _cordon_line && [ "$_cordon_line" != "# end" ]; do
  _cordon_script="$_cordon_script$_cordon_line
"
done
eval "$_cordon_script"`

/** One word of shell, whatever is in it. */
export const quote = (text: string) => `'${text.replaceAll("'", "'\\''")}'`

const plainBytes = new Set(
  Buffer.from(
    'abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789 \n!"#$&()*+,./:;<=>?@[]^_`{|}~',
  ),
)

/** A quoted format from which the shell's own `printf` makes just these bytes. */
export const printfFormat = (bytes: Uint8Array): string => {
  let text = ""
  for (const byte of bytes) {
    text += plainBytes.has(byte)
      ? String.fromCharCode(byte)
      : `\\${byte.toString(8).padStart(3, "0")}`
  }
  return `'${text}'`
}

/** The most that is fed to a command with the command itself: it fits into any pipe at once. */
export const mostInlineStdin = 4096

/** The most that is fed to a helper, which the shell writes by itself. */
export const mostInlineContent = 16 * 1024

/** What an armed shell is to run; it ends by saying `declined` where it can't begin. */
export interface Message {
  readonly command: string | readonly [string, ...ReadonlyArray<string>]
  readonly cwd: string
  readonly env: Readonly<Record<string, string>>
  /** At most `mostInlineStdin` bytes. */
  readonly stdin: Uint8Array | undefined
  /** A secret of this message. */
  readonly declined: string
}

const findable = (program: string) =>
  program.includes("/")
    ? `[ -f ${quote(program)} ] && [ -x ${quote(program)} ]`
    : // A name that the shell would take for an option: the engine starts it.
      program.startsWith("-")
      ? "false"
      : `command -v ${quote(program)} >/dev/null`

/** The shell becomes the command: from then on nothing of the channel is in its process. */
export const commandMessage = ({ command, cwd, env, stdin, declined }: Message): string => {
  const begin =
    typeof command === "string"
      ? { ready: findShell, run: `"$_cordon_shell" -c -- ${quote(command)}` }
      : { ready: findable(command[0]), run: command.map(quote).join(" ") }
  const piped = stdin !== undefined && stdin.length > 0
  const steps = [
    `cd -P ${quote(cwd)} 2>/dev/null`,
    ...Object.entries(env).map(([name, value]) => `export ${name}=${quote(value)}`),
    setLanguage,
    begin.ready,
    ...(piped
      ? [
          "exec 3<<E",
          "read -r _cordon_x <&3",
          "[ -p /proc/self/fd/3 ]",
          `printf ${printfFormat(stdin)} >/proc/self/fd/3`,
          "exec <&3 3<&-",
        ]
      : ["exec </dev/null"]),
    // What a shell adds to the environment, the command's own shell adds again.
    "unset PWD OLDPWD SHLVL _",
    `exec ${begin.run}`,
  ]
  const otherwise = `{ printf '\\036${declined}' >&2; exit 125; }`
  return `${steps.join(" && ")} || ${otherwise}\n${piped ? "\nE\n" : ""}`
}

/**
 * A helper of ours, run by the armed shell itself. It finds its arguments in `$@`, its input by
 * calling `content`. The shell ends with it: it must not take what a helper opened as its standard
 * input, a file that is being read, for more to run.
 */
export const helperMessage = (
  script: string,
  args: ReadonlyArray<string>,
  content: Uint8Array | undefined,
): string =>
  `{ exec </dev/null
set -- ${args.map(quote).join(" ")}
${content === undefined ? script : script.replace(contentOfStdin, () => `content() { printf ${printfFormat(content)}; }; whole=1`)}
exit
}
`
