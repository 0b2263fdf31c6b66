/** What the calls of the Promise facade take, for programs that no compiler has checked. */
import { Layer, Predicate, Schema } from "effect"
import { type InputSchema, optionsOf } from "../input/checkInput.ts"
import type { ListOptions, RemoveOptions, SearchOptions } from "../sandbox/files/folders.ts"
import type { ReadOptions, WriteOptions } from "../sandbox/files/SandboxFiles.ts"
import type { WatchOptions } from "../sandbox/files/watch.ts"
import type { CloneOptions } from "../sandbox/git/Git.ts"
import type { ExposeOptions, WaitOptions } from "../sandbox/ports/Ports.ts"
import type { ReverseOptions } from "../sandbox/ports/reversePorts.ts"
import type {
  FollowOptions,
  KillOptions,
  LogOptions,
  StartOptions,
} from "../sandbox/processes/Processes.ts"
import type { ShellOptions } from "../sandbox/shell/SandboxShell.ts"
import type { ForkOptions } from "../sandbox/snapshots/snapshots.ts"
import type { WatchStatsOptions } from "../sandbox/stats.ts"
import type { TerminalOptions } from "../sandbox/terminal.ts"
import type { SandboxFilter } from "../session/finding.ts"
import type { QuotaInput, SettingsInput } from "../settings/SettingsInput.ts"
import type { LimitsInput } from "../values/Limits.ts"
import type {
  Abortable,
  PromiseExecOptions,
  PromiseExecStreamOptions,
  PromiseShellExecOptions,
  TransferOptions,
} from "./options.ts"
import type {
  CreateSandboxesOptions,
  PromiseSandboxes,
  PromiseSessionOptions,
} from "./PromiseSandboxes.ts"

const declared = (expected: string, is: (value: unknown) => boolean) =>
  Schema.declare((value): value is unknown => is(value), { expected })

const isObject = (value: unknown): value is object => typeof value === "object" && value !== null

const text = Schema.String
const number = Schema.Number
const flag = Schema.Boolean
/** Looked at where it is used, with an error that says what is expected. */
const any = Schema.Unknown
const callback = declared("a function", (value) => typeof value === "function")
const signal = declared("an AbortSignal", (value) => value instanceof AbortSignal)
const content = declared(
  "text, a Uint8Array or an async iterable of them",
  (value) =>
    typeof value === "string" ||
    value instanceof Uint8Array ||
    (isObject(value) && Symbol.asyncIterator in value),
)
const command = Schema.Union([text, Schema.Array(text)]).annotate({
  expected: "a script, or an array of a program and its arguments",
})
const path = text

/** An object of which each part may be left out, and that may be left out itself. */
const options = (fields: Readonly<Record<string, InputSchema>>) =>
  Schema.optional(optionsOf(fields))

/** The fields of a type, all of them. */
type Fields<T> = Readonly<Record<keyof Required<T>, InputSchema>>

const abortable = { signal } satisfies Fields<Abortable>
const shellExec = {
  ...abortable,
  stdin: content,
  timeout: any,
  outputLimit: number,
  onStdout: callback,
  onStderr: callback,
} satisfies Fields<PromiseShellExecOptions>
const exec = {
  ...shellExec,
  cwd: text,
  env: any,
  user: text,
} satisfies Fields<PromiseExecOptions>
const execStream = {
  ...abortable,
  cwd: text,
  env: any,
  user: text,
  stdin: content,
  timeout: any,
} satisfies Fields<PromiseExecStreamOptions>
const shell = { ...abortable, cwd: text, env: any, user: text } satisfies Fields<
  ShellOptions & Abortable
>
const read = { ...abortable, offset: number, length: number } satisfies Fields<ReadOptions>
const write = { ...abortable, mode: number, size: number } satisfies Fields<WriteOptions>
const transfer = { ...abortable, onProgress: callback } satisfies Fields<TransferOptions>
const list = { ...abortable, depth: number, limit: number } satisfies Fields<ListOptions>
const remove = { ...abortable, recursive: flag } satisfies Fields<RemoveOptions>
const search = {
  ...abortable,
  path,
  regex: flag,
  ignoreCase: flag,
  include: text,
  exclude: Schema.Array(text),
  limit: number,
} satisfies Fields<SearchOptions>
const clone = {
  ...abortable,
  directory: text,
  branch: text,
  depth: number,
  submodules: flag,
  credentials: any,
  insecure: flag,
  timeout: any,
} satisfies Fields<CloneOptions>
const terminalSize = Schema.Struct({ columns: number, rows: number })
const terminal = {
  ...abortable,
  command,
  cwd: text,
  env: any,
  user: text,
  size: terminalSize,
} satisfies Fields<TerminalOptions>
const start = {
  ...abortable,
  name: text,
  cwd: text,
  env: any,
  user: text,
  stdin: flag,
} satisfies Fields<StartOptions>
const bytesOrText = declared(
  "text or a Uint8Array",
  (value) => typeof value === "string" || value instanceof Uint8Array,
)
const follow = { ...abortable, from: any } satisfies Fields<FollowOptions>
const watch = {
  ...abortable,
  recursive: flag,
  interval: any,
  exclude: Schema.Array(text),
  limit: number,
} satisfies Fields<WatchOptions>
const logs = { ...abortable, tail: number } satisfies Fields<LogOptions>
const kill = { ...abortable, grace: any } satisfies Fields<KillOptions>
const expose = { ...abortable, localPort: number } satisfies Fields<ExposeOptions>
const reverse = {
  ...abortable,
  localPort: number,
  host: text,
} satisfies Fields<ReverseOptions>
const watchStats = { ...abortable, every: any } satisfies Fields<WatchStatsOptions>
const wait = { ...abortable, timeout: any } satisfies Fields<WaitOptions>

const limits = options({
  memory: any,
  cpus: any,
  pids: any,
  disk: any,
} satisfies Fields<LimitsInput>)
/** A list or rules: told apart and checked where they are used, without a word of their secrets. */
const egress = any
const create = {
  ...abortable,
  onProgress: callback,
  secrets: any,
  registryCredentials: any,
  name: any,
  image: any,
  snapshot: any,
  runtime: any,
  limits,
  network: any,
  egress,
  env: any,
  workdir: any,
  user: any,
  tags: any,
} satisfies Fields<NonNullable<Parameters<PromiseSandboxes["create"]>[0]>>

const fork = { ...abortable, name: any, tags: any } satisfies Fields<ForkOptions & Abortable>
const find = { tags: any, status: any, limit: number, after: text } satisfies Fields<SandboxFilter>
const quota = { memory: any, cpus: any, disk: any } satisfies Fields<QuotaInput>
const settings = {
  image: any,
  runtime: any,
  limits,
  network: any,
  egress,
  // Looked into where it is used, which refuses what is no part of it.
  allow: any,
  idleTimeout: any,
  removeTimeout: any,
  extensionLimit: any,
  execTimeout: any,
  outputLimit: any,
  fileLimit: any,
  transferLimit: any,
  maxSandboxes: any,
  requireLimits: any,
  sessionQuota: options(quota),
  hostQuota: options({ ...quota, sandboxes: any }),
  removeOnClose: flag,
  registryCredentials: any,
  pull: any,
} satisfies Fields<SettingsInput>

/** A layer, and not the function that makes it. */
const layer = (example: string) =>
  declared(`a layer, such as ${example}, with the parentheses`, Layer.isLayer)

const logger = declared(
  "a function, or an object with debug, info, warn and error such as console",
  (value) =>
    typeof value === "function" ||
    (isObject(value) &&
      ["debug", "info", "warn", "error"].every(
        (level) => Predicate.hasProperty(value, level) && typeof value[level] === "function",
      )),
)

/** What `createSandboxes` takes, with which other functions begin that take the same and more. */
export const createSandboxesFields = {
  ...settings,
  driver: layer("docker() or memory()"),
  egressBroker: layer("egressBroker()"),
  sessionId: text,
  files: declared(
    "a layer, such as sessionFilesDirectory(folder), or a function from a session's ID to one",
    (value) => Layer.isLayer(value) || typeof value === "function",
  ),
  leaseStore: layer("sqlite(file)"),
  logger,
  logLevel: Schema.Literals(["debug", "info", "warn", "error", "none"]),
} satisfies Fields<CreateSandboxesOptions>

/** The arguments of each call, in their order. */
export const shapes = {
  nothing: { options: options(abortable) },
  create: { options: options(create) },
  get: { reference: text, options: options({ ...abortable, secrets: any, egress: any }) },
  rules: { rules: any, options: options(abortable) },
  named: { name: text, options: options(abortable) },
  find: { filter: options(find), options: options(abortable) },
  snapshot: { name: Schema.optional(text), options: options(abortable) },
  fork: { options: options(fork) },
  exec: { command, options: options(exec) },
  execStream: { command, options: options(execStream) },
  read: { path, options: options(read) },
  path: { path, options: options(abortable) },
  write: { path, content, options: options(write) },
  list: { path: Schema.optional(path), options: options(list) },
  move: { from: path, to: path, options: options(abortable) },
  remove: { path, options: options(remove) },
  search: { pattern: text, options: options(search) },
  watch: { path: Schema.optional(path), options: options(watch) },
  watchStats: { options: options(watchStats) },
  transfer: { from: path, to: path, options: options(transfer) },
  clone: { url: text, options: options(clone) },
  extend: { duration: any, options: options(abortable) },
  start: { command, options: options(start) },
  follow: { options: options(follow) },
  logs: { options: options(logs) },
  kill: { options: options(kill) },
  wait: { port: number, options: options(wait) },
  expose: { port: number, options: options(expose) },
  connect: { port: number, options: options(abortable) },
  reverse: { port: number, options: options(reverse) },
  serve: { port: number, handle: callback, options: options(abortable) },
  terminal: { options: options(terminal) },
  shell: { options: options(shell) },
  shellExec: { script: text, options: options(shellExec) },
  type: { data: bytesOrText },
  input: { data: bytesOrText, options: options(abortable) },
  signal: { signal: text, options: options(abortable) },
  resize: { size: terminalSize },
} satisfies Readonly<Record<string, Readonly<Record<string, InputSchema>>>>

/** What `createSandboxes` takes. */
export const createSandboxesShape = optionsOf(createSandboxesFields, {
  driver: createSandboxesFields.driver,
})

/** What `session` takes. */
export const sessionShapes = {
  id: text,
  options: options({
    files: layer("sessionFilesDirectory(folder)"),
    removeOnClose: flag,
  } satisfies Fields<PromiseSessionOptions>),
}
