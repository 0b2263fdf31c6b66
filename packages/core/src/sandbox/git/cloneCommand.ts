import { Stream } from "effect"
import type { ExecRequest } from "../../values/Exec.ts"
import type { CloneTarget } from "./cloneUrl.ts"
import type { CloneOptions } from "./Git.ts"
import { credentialHelper, isolatedGitScript } from "./gitScripts.ts"
import { scriptCommand } from "./runScript.ts"

/** Git's arguments; no credentials are in them. */
const argumentsOf = (
  { url, origin, credentials }: CloneTarget,
  options: CloneOptions,
  into: string,
) => {
  const config = [
    // A hook of the sandbox's own templates must not see the credentials.
    "core.hooksPath=/dev/null",
    // A host that the first one redirects to gets no credentials.
    "http.followRedirects=initial",
    ...(credentials === undefined
      ? []
      : // No other helper is asked, or told to keep them.
        ["credential.helper=", `credential.${origin}.helper=${credentialHelper}`]),
  ]
  const { branch, depth, submodules } = options
  return [
    ...config.flatMap((setting) => ["-c", setting]),
    "clone",
    "--template=",
    ...(branch === undefined ? [] : [`--branch=${branch}`]),
    ...(depth === undefined ? [] : [`--depth=${depth}`]),
    ...(submodules === true ? ["--recurse-submodules"] : []),
    "--",
    url,
    into,
  ] as const
}

const environment: Readonly<Record<string, string>> = {
  LC_ALL: "C",
  // Nobody could answer a prompt.
  GIT_TERMINAL_PROMPT: "0",
  GIT_ASKPASS: "",
  // A submodule must not be a file of the sandbox, or a command (ext::).
  GIT_ALLOW_PROTOCOL: "https:http",
  GIT_TRACE_REDACT: "1",
}

/**
 * The command that clones. Without credentials git reads the sandbox's own configuration; with them it
 * reads none.
 */
export const cloneCommand = (
  target: CloneTarget,
  options: CloneOptions,
  into: string,
): Pick<ExecRequest, "command" | "env" | "stdin"> => {
  const args = argumentsOf(target, options, into)
  const { credentials } = target
  if (credentials === undefined) return { command: ["git", ...args], env: environment }
  const lines = `${credentials.username}\n${credentials.password}\n`
  return {
    command: scriptCommand(isolatedGitScript(environment), ...args).command,
    stdin: Stream.succeed(new TextEncoder().encode(lines)),
  }
}
