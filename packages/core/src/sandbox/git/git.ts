import { randomBytes } from "node:crypto"
import { posix } from "node:path"
import { Duration, Effect, Redacted, Schema, Stream } from "effect"
import {
  AlreadyExists,
  BranchNotFound,
  CloneFailed,
  ExecTimedOut,
  type FileError,
  GitAuthFailed,
  GitMissing,
  InvalidInput,
  invalidInput,
  OutOfMemory,
  RepositoryNotFound,
  type Unsupported,
} from "../../errors.ts"
import type { ExecRequest } from "../../values/Exec.ts"
import type { SandboxContext } from "../context.ts"
import { type Commands, runHelper } from "../exec/commands.ts"
import { collectOutput } from "../exec/Output.ts"
import { bare } from "../files/folders.ts"
import { fileError } from "./fileScripts.ts"
import {
  beginScript,
  cloneExit,
  commitScript,
  credentialHelper,
  isolatedGitScript,
  undoScript,
} from "./gitScripts.ts"
import { type Judge, runScript, type ScriptError, scriptCommand } from "./runScript.ts"

/** What a server of repositories lets somebody in by. A token is a password. */
export interface GitCredentials {
  /** `x-access-token` by default: servers that take a token as the password take any name with it. */
  readonly username?: string | undefined
  readonly password: string | Redacted.Redacted<string>
}

/** What of a repository is cloned, and with whose credentials. */
export interface CloneOptions {
  /** Where to: the repository's own name, in the working directory, by default. */
  readonly directory?: string | undefined
  /** A branch or tag; the repository's default branch by default. */
  readonly branch?: string | undefined
  /** How many commits back; all by default. */
  readonly depth?: number | undefined
  /** Whether the repository's submodules are cloned too: false by default. */
  readonly submodules?: boolean | undefined
  /**
   * For this one clone, and for the host of the URL only. They are in the environment of the command
   * that clones, and nowhere else: not in its arguments, the repository, or the sandbox's files. That
   * command reads none of the sandbox's git configuration and none of its environment but the proxies'
   * variables: what was planted there earlier does not see them. A private authority's certificate has
   * to be in the image's trust store.
   */
  readonly credentials?: GitCredentials | undefined
  /** Whether credentials may go over plain HTTP, where all on the way can read them. */
  readonly insecure?: boolean | undefined
  /** After this it is given up; see `Settings.execTimeout` for the default. */
  readonly timeout?: Duration.Input | undefined
}

/** What a clone has brought. */
export interface ClonedRepository {
  /** Where it is. */
  readonly path: string
  /** What is checked out; undefined in a repository without commits. */
  readonly commit: string | undefined
  /** Undefined where a tag was asked for. */
  readonly branch: string | undefined
}

/** What cloning a repository may fail with. */
export type GitError =
  | ScriptError
  | InvalidInput
  | Unsupported
  | AlreadyExists
  | GitMissing
  | GitAuthFailed
  | RepositoryNotFound
  | BranchNotFound
  | CloneFailed
  | ExecTimedOut
  | OutOfMemory

/** Git in a sandbox, with the git of its image. */
export interface Git {
  /**
   * Clones a repository over HTTPS (or HTTP), as the sandbox's user. It is there whole or not at all.
   * Credentials may also stand in the URL, and do not stay in it.
   */
  readonly clone: (url: string, options?: CloneOptions) => Effect.Effect<ClonedRepository, GitError>
}

const refuse = (subject: string, issue: string) => new InvalidInput({ subject, issue })

const refusedUrl = (issue: string) => refuse("repository URL", issue)

/** What people use, and what git would take for something else than a name. */
const Branch = Schema.String.pipe(
  Schema.check(
    Schema.isMaxLength(255),
    Schema.isPattern(
      /^(?![-/.])(?!.*(?:\.\.|@\{|\/\/|\/\.|\.lock(?:\/|$)))[^\p{Cc} ~^:?*[\\]+(?<![/.])$/u,
      { expected: "the name of a branch or tag, such as main or v1.2" },
    ),
  ),
)
const Options = Schema.Struct({
  branch: Schema.optional(Branch),
  depth: Schema.optional(Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))),
})

interface Target {
  /** Without credentials. */
  readonly url: string
  readonly origin: string
  /** What git would call its folder. */
  readonly name: string
  readonly credentials: { readonly username: string; readonly password: string } | undefined
}

const hasControls = (text: string) => /\p{Cc}/u.test(text)

const decoded = (part: string): string | undefined => {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

/** Parts credentials from the URL. What is refused is not repeated: it may hold some. */
export const cloneTarget = (
  given: string,
  options: Pick<CloneOptions, "credentials" | "insecure">,
): Target | InvalidInput => {
  // An address as ssh has it, or git's own form for other transports.
  if (!/^https?:\/\//i.test(given)) {
    return refusedUrl(
      "it must begin with https:// (or http://); SSH, files and others are not cloned",
    )
  }
  const url = URL.parse(given)
  const path = decoded(url?.pathname ?? "")
  if (url === null || path === undefined || hasControls(given) || hasControls(path)) {
    return refusedUrl("it is not a URL such as https://example.com/team/project.git")
  }
  if (!/^[a-z0-9._-]+(?::\d+)?$|^\[[0-9a-f:.]+\](?::\d+)?$/.test(url.host)) {
    return refusedUrl("its host is neither a name nor an address")
  }
  if (url.search !== "" || url.hash !== "") {
    return refusedUrl("it has a query or a fragment; give a token as credentials")
  }
  const inUrl = url.username !== "" || url.password !== ""
  if (inUrl && options.credentials !== undefined) {
    return refusedUrl("it has credentials of its own; give them in one place only")
  }
  const [username, password] = [decoded(url.username), decoded(url.password)]
  if (username === undefined || password === undefined) {
    return refusedUrl("its credentials are not percent-encoded")
  }
  url.username = ""
  url.password = ""
  const { credentials } = options
  const own =
    credentials === undefined
      ? { username, password }
      : {
          username: credentials.username ?? "x-access-token",
          password: Redacted.isRedacted(credentials.password)
            ? Redacted.value(credentials.password)
            : credentials.password,
        }
  const wanted = inUrl || credentials !== undefined
  if (wanted && Object.values(own).some((part) => typeof part !== "string" || hasControls(part))) {
    return refuse("credentials", "username and password must be text without control characters")
  }
  if (wanted && url.protocol === "http:" && options.insecure !== true) {
    return refuse(
      "credentials",
      "all on the way could read them, since the URL is http://; use https://, or insecure: true",
    )
  }
  return {
    url: url.href,
    origin: url.origin,
    name: posix.basename(url.pathname).replace(/\.git$/, ""),
    credentials: wanted ? own : undefined,
  }
}

/** Git's arguments; no credentials are in them. */
const argumentsOf = ({ url, origin, credentials }: Target, options: CloneOptions, into: string) => {
  const config = [
    // What the sandbox's own templates would have run must not see the credentials.
    "core.hooksPath=/dev/null",
    // A host that another one leads to is another one: it gets no credentials.
    "http.followRedirects=initial",
    ...(credentials === undefined
      ? []
      : // No other helper is asked, nor told to keep them.
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
  // Nobody is there to be asked.
  GIT_TERMINAL_PROMPT: "0",
  GIT_ASKPASS: "",
  // Nor may a submodule be a file of the sandbox, or a command (ext::).
  GIT_ALLOW_PROTOCOL: "https:http",
  GIT_TRACE_REDACT: "1",
}

/** How git is run: without credentials with the sandbox's own configuration, with them without any. */
const command = (
  target: Target,
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

/** What git says went wrong. The lines of the server's own are not believed. */
export const cloneError = (
  { url, origin, credentials }: Target,
  branch: string | undefined,
  path: string,
  said: string,
): FileError | GitAuthFailed | RepositoryNotFound | BranchNotFound | CloneFailed => {
  // The server knows the password, and may have said it.
  const lines = (credentials?.password ? said.replaceAll(credentials.password, "***") : said)
    .split(/[\r\n]+/)
    .map((line) => line.replace(/\p{Cc}/gu, "").trim())
    .filter((line) => line !== "" && !/^(?:remote:|Cloning into|Submodule path)/.test(line))
  const own = lines.join("\n")
  if (/Authentication failed|could not read (?:Username|Password)|returned error: 403/.test(own)) {
    const [, asking = url] = /(?:failed|Username|Password) for '(https?:[^']+)'/.exec(own) ?? []
    // Who is not the host that they are for was not given any.
    return URL.canParse(asking) && new URL(asking).origin !== origin
      ? new GitAuthFailed({ url: asking, given: false })
      : new GitAuthFailed({ url, given: credentials !== undefined })
  }
  if (branch !== undefined && /Remote branch .* not found/.test(own)) {
    return new BranchNotFound({ url, branch })
  }
  if (/repository '.*' not found|returned error: 404/.test(own)) {
    return new RepositoryNotFound({ url })
  }
  const failure = fileError(path, 1, own)
  if (failure._tag === "StorageFailed" && /no space/.test(failure.reason)) return failure
  const told = lines.filter((line) => /^(?:fatal|error):/.test(line))
  const reason = (told.length > 0 ? told : lines).join("; ").slice(-500) || "git told nothing"
  return new CloneFailed({ url, reason })
}

/** Git in one sandbox. */
export const makeGit = (context: SandboxContext, commands: Commands): Git => {
  const { at, need, info } = context
  const { image, name } = info
  const { timeoutOf, run: runOn } = commands
  const run = runHelper(commands, context)

  const clone = Effect.fn("Sandbox.git.clone")(function* (
    given: string,
    options: CloneOptions = {},
  ) {
    const target = cloneTarget(given, options)
    if (target instanceof InvalidInput) return yield* target
    const { branch } = yield* Schema.decodeUnknownEffect(Options)({
      branch: options.branch,
      depth: options.depth,
    }).pipe(Effect.mapError(invalidInput("clone options")))
    const timeout = yield* timeoutOf(options.timeout)
    if (options.directory === undefined && /^\.{0,2}$/.test(target.name)) {
      return yield* refusedUrl("its path has no name for the folder; give a directory")
    }
    const path = bare(yield* at(options.directory ?? target.name))
    yield* need("git")

    // Made beside nothing, and moved when it is whole: what is broken off is no repository.
    const part = `.cordon-clone-${randomBytes(6).toString("hex")}`
    const judge: Judge<GitMissing | AlreadyExists> = (exitCode) =>
      exitCode === cloneExit.noGit
        ? new GitMissing({ image })
        : exitCode === cloneExit.exists
          ? new AlreadyExists({ path })
          : undefined
    const script = (text: string, ...args: ReadonlyArray<string>) =>
      runScript(run, path, scriptCommand(text, path, part, ...args), judge)

    const fetch = Effect.gen(function* () {
      const result = yield* collectOutput(
        runOn({
          ...command(target, options, `${path}/${part}`),
          cwd: "/",
          timeout: Duration.isFinite(timeout) ? timeout : undefined,
        }),
        64 * 1024,
      )
      const { stderr, exitCode } = result
      if (result.timedOut) {
        const ms = Duration.toMillis(timeout)
        return yield* new ExecTimedOut({ timeout: ms, stdout: "", stderr: "" })
      }
      if (result.oomKilled) return yield* new OutOfMemory({ sandbox: name })
      if (exitCode !== 0) return yield* cloneError(target, branch, path, stderr)
    })

    const { stdout } = yield* Effect.acquireUseRelease(
      script(beginScript),
      () => Effect.andThen(fetch, Effect.uninterruptible(script(commitScript))),
      ({ stdout: above }, exit) =>
        exit._tag === "Success"
          ? Effect.void
          : script(undoScript, above).pipe(
              Effect.catch((error) =>
                Effect.logWarning("Could not remove what a failed clone left", {
                  path,
                  error: error.message,
                }),
              ),
            ),
    )
    const [commit = "", on = ""] = stdout.split("\n")
    const repository: ClonedRepository = {
      path,
      commit: commit || undefined,
      branch: on || undefined,
    }
    return repository
  })

  return { clone }
}
