/**
 * A shell that lasts, made of commands that each run by themselves: a script takes up the state that the command
 * before left in files of the sandbox, runs the command, and leaves its own state.
 *
 * Only what each shell has built in is used. There are two files of state, in turns, and one that says which of
 * them counts. That one is written last, with two bytes at once: a script that is killed leaves the older state.
 */
import { shellWord } from "./shellWord.ts"

/** The exit code of a script that found no state. Its command was not begun. */
export const stateLost = 198

/** The exit code of a script that found no place for its state. */
export const noPlace = 97

// What bash keeps for itself, and would be wrong in another process.
const own =
  "BASH_EXECUTION_STRING BASH_ALIASES BASH_CMDS DIRSTACK FUNCNAME LINENO RANDOM SRANDOM _cordon_d _cordon_f _cordon_s _cordon_o _cordon_p _cordon_q _cordon_t _cordon_u _cordon_v _cordon_x"

// Functions come before aliases, which would be put into their bodies once more each time.
const bashState = [
  "unset -f _cordon_end",
  'printf "umask %s\\n" "$_cordon_u"',
  "shopt -p",
  "declare -f",
  "declare -F",
  "alias -p",
  "printf '_cordon_o=%q\\n' \"$(shopt -po)\"",
  `{ unset -v ${own};:;}`,
  "declare -p",
].join("&&")

// A plain sh can't print its functions.
const shState = [
  'printf "umask %s\\n" "$_cordon_u"',
  `for _cordon_v in a e f u x C;do case $- in *"$_cordon_v"*)printf '_cordon_o="$_cordon_o;set -%s"\\n' "$_cordon_v";;esac;done`,
  `{ unset -v ${own.slice(own.indexOf("_cordon"))};:;}`,
  "set",
  "export -p",
  "readonly -p",
].join("&&")

// The end of a command is not traced, where the command has that turned on.
const untraced =
  "{ _cordon_x=$?;case $- in *x*)_cordon_t=x;;*)_cordon_t=;;esac;set +x;} 2>/dev/null"

/**
 * Defines what writes the state down, in files that are their user's alone. A variable that may not be
 * unset keeps it from that.
 */
const keeping = (forgets: ReadonlyArray<string>) => {
  const forget = forgets.length === 0 ? "" : `unset -v ${forgets.join(" ")}||exit 1;`
  const state = `(${forget}[ -z "$_cordon_t" ]||set -x;if [ -n "\${BASH_VERSION-}" ];then ${bashState};else ${shState};fi)`
  return [
    '_cordon_end(){ [ -n "$_cordon_s" ]||return 0;case $_cordon_s in a)_cordon_s=b;;*)_cordon_s=a;;esac;_cordon_u=$(umask);umask 077',
    `if ${state} >|"$_cordon_f.$_cordon_s" 2>/dev/null&&printf '%s\\n' "$_cordon_s" 2>/dev/null 1<>"$_cordon_f";then :;else printf '%s\\n' 'The shell could not keep what this command changed.' >&2;fi`,
    '_cordon_s=;umask "$_cordon_u";}',
  ].join(";")
}

/** What a shell has of its own. */
export interface ShellNames {
  /** Of the file in the folder that takes it; nobody can guess it. */
  readonly name: string
  /** Variables that are no part of the state. */
  readonly forgets: ReadonlyArray<string>
}

/** Begins a shell in the folder and the environment that it runs in, and prints the path of its file. */
export const openingScript = ({ name, forgets }: ShellNames): string =>
  [
    `if [ -n "\${BASH_VERSION-}" ];then shopt -s expand_aliases;fi`,
    `_cordon_f=;for _cordon_d in /tmp /var/tmp "\${HOME:-/tmp}" /dev/shm;do if (umask 077;set -C;: >"$_cordon_d/${name}"&&: >"$_cordon_d/${name}.a"&&: >"$_cordon_d/${name}.b") 2>/dev/null;then _cordon_f=$_cordon_d/${name};break;fi;done`,
    `[ -n "$_cordon_f" ]||exit ${noPlace}`,
    keeping(forgets),
    "_cordon_s=b;_cordon_t=",
    "_cordon_end 2>/dev/null",
    `[ -s "$_cordon_f" ]||exit ${noPlace}`,
    "printf '%s\\n' \"$_cordon_f\"",
  ].join(";")

/** Finds the state that counts, which must be the user's own, or ends with `stateLost`. */
const finding = (file: string) => [
  `_cordon_f=${shellWord(file)};_cordon_s=;_cordon_o=:`,
  'if [ -O "$_cordon_f" ];then read -r _cordon_s <"$_cordon_f";fi',
  `case $_cordon_s in a|b);;*)exit ${stateLost};;esac`,
  `[ -O "$_cordon_f.$_cordon_s" ]&&[ -r "$_cordon_f.$_cordon_s" ]||exit ${stateLost}`,
]

/** Looks for the state as `commandScript` does, and runs no command. */
export const lookingScript = (file: string): string => finding(file).join(";")

/** Runs a command in a shell. Its lines have the numbers that they have by themselves. */
export const commandScript = (options: {
  readonly file: string
  readonly forgets: ReadonlyArray<string>
  /** Where it goes on when its folder is gone. */
  readonly cwd: string
  /** How the command before ended. */
  readonly status: number
  readonly command: string
}): string => {
  const { file, forgets, cwd, status, command } = options
  const kept = ["_", ...forgets].join(" ")
  return [
    ...finding(file),
    keeping(forgets),
    // What the sandbox sets and the shell has unset.
    `if [ -n "\${BASH_VERSION-}" ];then for _cordon_v in $(compgen -e);do case " ${kept} " in *" $_cordon_v "*);;*)unset -v "$_cordon_v";;esac;done;fi`,
    '. "$_cordon_f.$_cordon_s" >/dev/null 2>&1',
    `_cordon_p=\${PWD-};_cordon_q=\${OLDPWD-}`,
    `cd -- "$_cordon_p" 2>/dev/null||{ cd -- ${shellWord(cwd)} 2>/dev/null;printf 'The folder %s is gone: this runs in %s.\\n' "$_cordon_p" "$PWD" >&2;}`,
    '[ -z "$_cordon_q" ]||OLDPWD=$_cordon_q',
    `trap '${untraced};_cordon_end' EXIT`,
    'eval "$_cordon_o"',
    ...(status === 0 ? [] : [`case $- in *e*);;*)(exit ${status});;esac`]),
    `eval ${shellWord(command)}`,
    `${untraced};_cordon_end;exit "$_cordon_x"`,
  ].join(";")
}

/** Removes what a shell keeps. */
export const closingCommand = (file: string) =>
  ["rm", "-f", "--", file, `${file}.a`, `${file}.b`] as const
