/**
 * Shells that keep their state between commands. The interpreter begins each script with no state. So each script
 * starts with commands that restore the state, and ends with commands that write it down for the next one.
 */
import { randomUUID } from "node:crypto"
import { type ExecEvent, type ExecRequest, shellWord } from "@cordon/core"
import { Effect } from "effect"
import { Bash } from "just-bash"
import type { FileTree } from "../files/FileTree.ts"
import { runCommand } from "./runCommand.ts"

/** A shell between two commands. */
export interface ShellState {
  /** The folder in which it began. It goes on there if its current folder is removed. */
  readonly home: string
  readonly cwd: string
  readonly oldCwd: string | undefined
  /** Declares its variables, aliases and functions, and turns its options on. */
  readonly restores: string
  /** The exit code of its last command. */
  readonly status: number
}

// Bytes that the state of a shell may have.
const maxState = 16 * 1024 * 1024

// Variables that the interpreter sets itself.
const own = /^declare -\S+ (\?|BASHOPTS|SHELLOPTS|PIPESTATUS|PWD|OLDPWD|IFS|_|_cordon_\w+)(=|$)/
const kept = /^(declare -\S+ [A-Za-z_]\w*(=|$)|alias )/
const options = ["allexport", "errexit", "noclobber", "noglob", "nounset", "pipefail", "xtrace"]
const marks = {
  begin: "_cordon_state_begins",
  functions: "_cordon_functions_begin",
  end: "_cordon_state_ends",
} as const

// The variable that names the function that is called in place of `exit`. It is not exported, so that the scripts
// that a command runs call their own `exit`.
const exitVariable = "_cordon_e"

/** Functions that write the state down, at the end of a script and when it calls `exit`. */
const keeping = (sink: string, forgets: ReadonlyArray<string>) => {
  const names = ["_cordon_x", ...forgets].join(" ")
  const toSink = `>> ${sink}`
  return `
_cordon_keep() {
  echo ${marks.begin} ${toSink}
  (unset ${names}; declare -p; alias) ${toSink}
  echo ${marks.functions} ${toSink}
  declare -F | while IFS=' ' read -r _cordon_a _cordon_b _cordon_n; do
    case "$_cordon_n" in _cordon_*) ;; *) type "$_cordon_n" ;; esac
  done ${toSink}
  echo ${marks.end} ${toSink}
}
${exitVariable}=_cordon_exit
_cordon_exit() { _cordon_x=$?; _cordon_keep; builtin exit "\${1-$_cordon_x}"; }
`
}

/** Reads the state that a script wrote down last; undefined if the script was killed before that. */
const stateOf = (written: string, { home }: ShellState, status: number): ShellState | undefined => {
  const from = written.lastIndexOf(`${marks.begin}\n`)
  const [state, functions] = written.slice(from).split(`${marks.functions}\n`)
  if (from === -1 || state === undefined || !functions?.endsWith(`${marks.end}\n`)) return undefined
  const lines = state.split("\n").slice(1)
  const value = (name: string) =>
    lines.map((line) => new RegExp(`^declare -\\S+ ${name}="(.*)"$`).exec(line)?.[1]).find(Boolean)
  const on = (name: string) => (value(name) ?? "").split(":")
  // The interpreter may show a function in a form that it does not parse, such as one with a here-document.
  const bodies = functions
    .slice(0, -`${marks.end}\n`.length)
    .split(/^\S+ is a function\n(?=\S+ \(\))/m)
    .filter((body) => isUnderstood(body))
  return {
    home,
    status,
    cwd: unescaped(value("PWD") ?? home),
    oldCwd: value("OLDPWD") === undefined ? undefined : unescaped(value("OLDPWD") ?? ""),
    restores: [
      ...on("BASHOPTS").map((name) => `shopt -s ${name}`),
      ...bodies,
      ...lines.filter((line) => kept.test(line) && !own.test(line)).map(declared),
      ...lines.filter((line) => /^declare -\S+ IFS=/.test(line)),
      ...on("SHELLOPTS")
        .filter((name) => options.includes(name))
        .map((name) => `set -o ${name}`),
    ].join("\n"),
  }
}

/** The value that `declare -p` shows between double quotes. */
const unescaped = (shown: string) => shown.replaceAll(/\\([\\"$`])/g, "$1")

/** Declares an array and assigns it in two steps: in one, the interpreter loses spaces of its values. */
const declared = (line: string): string => {
  const [, flags, name, values] = /^declare -([aA]\w*) (\w+)=(\(.*\))$/.exec(line) ?? []
  if (flags === undefined) return line
  const fixed = flags.includes("r") ? `\nreadonly ${name}` : ""
  return `declare -${flags.replace("r", "")} ${name}\n${name}=${values}${fixed}`
}

/** Whether the interpreter can parse a script. */
const isUnderstood = (script: string) => {
  try {
    new Bash().transform(script)
    return true
  } catch {
    return false
  }
}

/** Runs a script in a shell. @returns its output, and the shell after it */
export const runInShell = Effect.fnUntraced(function* (
  tree: FileTree,
  state: ShellState,
  request: ExecRequest,
  forgets: ReadonlyArray<string>,
) {
  const script = typeof request.command === "string" ? request.command : ":"
  const sink = `/dev/cordon-${randomUUID()}`
  const pieces: Array<Uint8Array> = []
  let size = 0
  const take = (bytes: Uint8Array) => {
    size += bytes.length
    if (size > maxState) pieces.length = 0
    else pieces.push(bytes)
  }
  const isFolder = (path: string) =>
    Effect.map(
      Effect.option(tree.stat(path)),
      (found) => found._tag === "Some" && found.value.kind === "directory",
    )
  const cwd = (yield* isFolder(state.cwd)) ? state.cwd : state.home
  const { oldCwd } = state
  const came =
    oldCwd !== undefined && (yield* isFolder(oldCwd))
      ? `cd -- ${shellWord(oldCwd)}; cd -- ${shellWord(cwd)}`
      : ""
  const gone =
    cwd === state.cwd
      ? ""
      : `echo ${shellWord(`The folder ${state.cwd} is gone: this runs in ${cwd}.`)} >&2`
  const restored = [
    came,
    gone,
    keeping(sink, forgets),
    state.restores,
    state.status === 0 ? "true" : `(builtin exit ${state.status})`,
    script,
  ]
  // Only after a complete script: an open quote or here-document would swallow these lines.
  const end = ["", "_cordon_x=$?; _cordon_keep; builtin exit $_cordon_x"]
  const command = [...restored, ...(isUnderstood(script) ? end : [])].join("\n")
  const events: ReadonlyArray<ExecEvent> = yield* runCommand(
    tree,
    {},
    cwd,
    { ...request, command, cwd },
    { path: sink, take, exitVariable },
  )
  const exit = events.at(-1)
  const exitCode = exit?._tag === "Exit" ? exit.exitCode : 0
  const wasKilled = exit?._tag === "Exit" && exit.timedOut
  const kept = wasKilled ? undefined : stateOf(Buffer.concat(pieces).toString(), state, exitCode)
  return { events, state: kept ?? { ...state, status: exitCode } }
})

/** A new shell in a folder, with variables that are exported. */
export const beginShell = (cwd: string, env: Readonly<Record<string, string>>): ShellState => ({
  home: cwd,
  cwd,
  oldCwd: undefined,
  restores: [
    "shopt -s expand_aliases",
    ...Object.entries(env).map(([name, value]) => `export ${name}=${shellWord(value)}`),
  ].join("\n"),
  status: 0,
})
