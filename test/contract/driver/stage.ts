import {
  type ArchiveEntry,
  collectOutput,
  defaultLimits,
  type ExecRequest,
  FilePath,
  packArchive,
  SandboxDriver,
  type SandboxId,
  SandboxName,
  type SandboxSpec,
  SessionId,
  sandboxId,
  sessionKey,
  unpackArchive,
} from "@cordon/core"
import { Duration, Effect, type Layer, type Scope, Stream } from "effect"
import type { Check } from "../../support/onLayer.ts"

/** What a driver is tested with, and where it may differ. */
export interface DriverOptions {
  readonly layer: Layer.Layer<SandboxDriver, { readonly message: string }>
  readonly image: string
  /** Why the whole contract can't run here; undefined where it can. */
  readonly unavailable?: string | undefined
  readonly spec?: Partial<SandboxSpec>
  /** What a driver may lack, with the reason that its skipped tests give. */
  readonly lacks?: {
    readonly processes?: string
    readonly permissions?: string
    readonly checkedFolders?: string
    readonly specialFiles?: string
    readonly binaryOutput?: string
    readonly floods?: string
    readonly missingImages?: string
  }
  /** How many random cases a property is tried with. */
  readonly runs: number
}

/** What each part of the contract gets. */
export interface DriverStage {
  readonly check: Check<SandboxDriver>
  readonly image: string
  readonly lacks: NonNullable<DriverOptions["lacks"]>
  readonly runs: number
  /** A small sandbox without network: what `create` is asked for. */
  readonly specOf: (name: SandboxName, more?: Partial<SandboxSpec>) => SandboxSpec
  /** A fresh sandbox, removed with the test. */
  readonly make: (
    more?: Partial<SandboxSpec>,
  ) => Effect.Effect<SandboxId, { readonly _tag: string }, SandboxDriver | Scope.Scope>
}

/** The session of all sandboxes that the contract makes. */
export const session = sessionKey(SessionId.make(`contract-${process.pid}-${Date.now()}`))

let counter = 0
export const freshName = () => SandboxName.make(`box-${++counter}`)

export const driverStage = (options: DriverOptions, check: Check<SandboxDriver>): DriverStage => {
  const specOf: DriverStage["specOf"] = (name, more = {}) => ({
    name,
    image: options.image,
    runtime: "runc",
    limits: { ...defaultLimits, memory: 256 * 1024 ** 2 },
    network: "none",
    lease: { idleTimeout: 600_000, removeTimeout: 1_200_000 },
    env: {},
    workdir: "/work",
    ...options.spec,
    ...more,
  })
  return {
    check,
    image: options.image,
    lacks: options.lacks ?? {},
    runs: options.runs,
    specOf,
    make: (more = {}) =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const spec = specOf(freshName(), more)
        const id = sandboxId(session, spec.name)
        yield* Effect.acquireRelease(driver.create({ id, session, spec }), () =>
          Effect.ignore(driver.remove(id)),
        )
        return id
      }),
  }
}

export const at = (path: string) => FilePath.make(path)
export const bytesOf = (text: string) => new TextEncoder().encode(text)

/** Runs a command to its end, with 30 seconds for it. */
export const exec = (
  id: SandboxId,
  command: ExecRequest["command"],
  more: Partial<ExecRequest> = {},
) =>
  Effect.gen(function* () {
    const driver = yield* SandboxDriver
    const request = { command, timeout: Duration.seconds(30), ...more }
    return yield* collectOutput(driver.exec(id, request), 4 * 1024 * 1024)
  })

/** What a command writes to its standard output. */
export const out = (...args: Parameters<typeof exec>) =>
  Effect.map(exec(...args), ({ stdout }) => stdout)

/** All that a command writes to its standard output, byte by byte. */
export const outBytes = (id: SandboxId, command: string) =>
  Effect.gen(function* () {
    const driver = yield* SandboxDriver
    const events = yield* Stream.runCollect(driver.exec(id, { command }))
    return Buffer.concat(events.flatMap((event) => (event._tag === "Stdout" ? [event.bytes] : [])))
  })

export const write = (id: SandboxId, path: string, content: string | Uint8Array, mode?: number) =>
  Effect.gen(function* () {
    const driver = yield* SandboxDriver
    const bytes = typeof content === "string" ? bytesOf(content) : content
    yield* driver.writeFile(id, at(path), {
      bytes: Stream.succeed(bytes),
      size: bytes.length,
      ...(mode === undefined ? {} : { mode }),
    })
  })

type Range = { readonly offset?: number; readonly length?: number }

export const readBytes = (id: SandboxId, path: string, range?: Range) =>
  Effect.gen(function* () {
    const driver = yield* SandboxDriver
    return Buffer.concat(yield* Stream.runCollect(driver.readFile(id, at(path), range)))
  })

export const read = (id: SandboxId, path: string, range?: Range) =>
  Effect.map(readBytes(id, path, range), (bytes) => bytes.toString())

type Entry = Partial<ArchiveEntry> & { readonly path: string; readonly text?: string }

/** An archive of files, unless an entry says what else it is. */
export const archiveOf = (...entries: ReadonlyArray<Entry>) =>
  packArchive(
    Stream.fromIterable(entries).pipe(
      Stream.map(({ text, ...entry }): ArchiveEntry => {
        const bytes = bytesOf(text ?? "")
        return {
          kind: "file",
          size: bytes.length,
          mode: 0o644,
          content: Stream.succeed(bytes),
          ...entry,
        }
      }),
    ),
  )

/** The entries of a folder's archive by name, each as its kind, mode, and content or target. */
export const unpacked = (id: SandboxId, path: string) =>
  Effect.gen(function* () {
    const driver = yield* SandboxDriver
    const found = new Map<string, string>()
    yield* unpackArchive(driver.getArchive(id, at(path)), (entry) =>
      Effect.gen(function* () {
        const text = Buffer.concat(yield* Stream.runCollect(entry.content)).toString()
        const name = entry.path.replace(/^\.\//, "").replace(/\/$/, "")
        if (name !== "" && name !== ".") {
          found.set(name, `${entry.kind} ${entry.mode.toString(8)} ${entry.linkTarget ?? text}`)
        }
      }),
    )
    return found
  })
