import { randomUUID } from "node:crypto"
import {
  checkInput,
  type DriverCapabilities,
  type ExecError,
  type ExecEvent,
  type FileError,
  FolderChange,
  type FolderWatch,
  handOver,
  hasTags,
  ImageNotFound,
  InvalidPath,
  optionNames,
  RuntimeUnavailable,
  requireIncarnation,
  SandboxDriver,
  SandboxEvent,
  type SandboxId,
  type SandboxInfo,
  SandboxNameTaken,
  SandboxNotFound,
  SandboxNotRunning,
  StorageFailed,
  unsupportedFeatures,
} from "@cordon/core"
import { DateTime, Effect, Layer, Option, PubSub, Stream } from "effect"
import { getArchive, putArchive } from "./archive.ts"
import { FileTree } from "./FileTree.ts"
import { listFolder, moveFile, removeFile, searchFolder } from "./folders.ts"
import { inLanguage, runCommand } from "./interpreter.ts"
import { beginShell, runInShell, type ShellState } from "./shells.ts"

/** What images there are, and how much a sandbox may hold. */
export interface MemoryOptions {
  /**
   * Images that exist, each with files by absolute path; any other is `ImageNotFound` then. By
   * default every image exists, and differs from the others in nothing but its name.
   */
  readonly images?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Bytes that the files of one sandbox may take: 512 MiB by default. */
  readonly maxFileBytes?: number
}

interface Box {
  info: SandboxInfo
  readonly tree: FileTree
  readonly env: Readonly<Record<string, string>>
  readonly shells: Map<string, ShellState>
  running: number
}

const capabilities: Omit<DriverCapabilities, "hostId"> = {
  driver: "memory",
  host: "this process's memory (just-bash)",
  runtimes: [{ runtime: "runc", isolation: "interpreter", keepsFiles: true }],
  enforced: { memory: false, cpus: false, pids: false, disk: false },
  capacity: {},
  // Nothing gets out at all.
  features: ["egress", "stats"],
  caveats: [
    "Nothing is isolated by a kernel: scripts are interpreted inside this process.",
    "Limits are recorded, not enforced; a script ends after 1,000,000 commands or loop rounds, and may hold the process's event loop until then or until its timeout.",
    "Images are names: there are the interpreter's own commands and no binaries.",
    "There are no processes: what '&' starts runs beside its command and ends with it.",
    "A shell that lasts keeps variables, functions, aliases and options, but for what a command changed that 'set -e' ended.",
    "What a command prints comes at its end; hard links are copies.",
    "There is no network, whatever the network mode.",
    "Statistics tell no CPU time, memory or processes: a sandbox shares them with this process.",
    "Users and permissions are recorded; everything runs as root.",
    "Shell variables, functions and programs for text (sed, tr, sort) hold text: bytes that are not UTF-8 may change in them.",
  ],
}

const systemFiles = { "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n" }
const layout = ["/bin", "/etc", "/home", "/root", "/tmp", "/usr/bin", "/var/tmp"]

/**
 * Sandboxes in this process's memory: scripts really run, on a virtual file system, in a maintained
 * bash interpreter. For development without an engine, and for tests; see its `caveats`.
 */
export const layer = (options: MemoryOptions = {}): Layer.Layer<SandboxDriver> => {
  checkInput("options of memory()", shape, options)
  return layerOf(options)
}

const shape = optionNames<MemoryOptions>({ images: true, maxFileBytes: true })

const layerOf = (options: MemoryOptions): Layer.Layer<SandboxDriver> =>
  Layer.effect(
    SandboxDriver,
    Effect.gen(function* () {
      const { images } = options
      const boxes = new Map<SandboxId, Box>()
      const hostId = randomUUID()
      const published = yield* PubSub.unbounded<SandboxEvent>()
      const publish = (event: SandboxEvent) => Effect.asVoid(PubSub.publish(published, event))

      const find = (id: SandboxId) =>
        Effect.suspend(() => {
          const box = boxes.get(id)
          return box === undefined
            ? Effect.fail(new SandboxNotFound({ sandbox: id }))
            : Effect.as(requireIncarnation(box.info), box)
        })

      const findRunning = Effect.fnUntraced(function* (id: SandboxId) {
        const box = yield* find(id)
        const { status } = box.info
        if (status !== "running") return yield* new SandboxNotRunning({ sandbox: id, status })
        return box
      })

      const seen = (box: Box): SandboxInfo => ({ ...box.info, busy: box.running > 0 })

      /** Streams what a running sandbox's files give. */
      const fromTree = (
        id: SandboxId,
        f: (tree: FileTree) => Stream.Stream<Uint8Array, FileError>,
      ): Stream.Stream<Uint8Array, FileError> =>
        Stream.unwrap(Effect.map(findRunning(id), ({ tree }) => f(tree)))

      const create: SandboxDriver["Service"]["create"] = Effect.fn("MemoryDriver.create")(
        function* ({ id, session, spec }) {
          const { runtime, image } = spec
          if (runtime !== "runc") {
            return yield* new RuntimeUnavailable({ runtime, available: ["runc"] })
          }
          const files =
            images === undefined ? {} : Object.entries(images).find(([name]) => name === image)?.[1]
          if (files === undefined) return yield* new ImageNotFound({ image })
          const taken = new SandboxNameTaken({ sandbox: spec.name })
          if (boxes.has(id)) return yield* taken
          const tree = new FileTree(options.maxFileBytes ?? 512 * 1024 ** 2)
          const workdir = spec.workdir ?? "/workspace"
          // An empty file system takes all of this.
          yield* Effect.orDie(
            Effect.gen(function* () {
              for (const folder of [...layout, workdir]) yield* tree.makeDirectory(folder)
              for (const [path, text] of Object.entries({ ...systemFiles, ...files })) {
                yield* tree.write(path, new TextEncoder().encode(text))
              }
            }),
          )
          const info: SandboxInfo = {
            id,
            session,
            name: spec.name,
            instanceId: randomUUID(),
            status: "running",
            image,
            runtime,
            limits: spec.limits,
            network: spec.network,
            lease: spec.lease,
            workdir,
            createdAt: DateTime.toDate(yield* DateTime.now),
            ...(spec.tags === undefined ? {} : { tags: spec.tags }),
          }
          const env = { HOME: "/root", HOSTNAME: spec.name, ...spec.env }
          // Again, since others had their turn meanwhile.
          if (boxes.has(id)) return yield* taken
          return yield* handOver(
            () =>
              Effect.gen(function* () {
                boxes.set(id, { info, tree, env, shells: new Map(), running: 0 })
                yield* publish(SandboxEvent.Created({ id }))
                yield* publish(SandboxEvent.Started({ id }))
                return info
              }),
            () => Effect.ignore(remove(id, info.instanceId)),
          )
        },
      )

      const remove: SandboxDriver["Service"]["remove"] = Effect.fn("MemoryDriver.remove")(
        function* (id, instanceId) {
          const box = yield* find(id)
          if (instanceId !== undefined && box.info.instanceId !== instanceId) {
            return yield* new SandboxNotFound({ sandbox: id })
          }
          boxes.delete(id)
          yield* publish(SandboxEvent.Removed({ id }))
        },
      )

      const setStatus = Effect.fnUntraced(function* (
        id: SandboxId,
        status: "running" | "stopped",
        event: SandboxEvent,
      ) {
        const box = yield* find(id)
        if (box.info.status === status) return
        box.info = { ...box.info, status }
        yield* publish(event)
      })

      const ended = (
        id: SandboxId,
        instanceId: string,
      ): SandboxNotFound | SandboxNotRunning | undefined => {
        const box = boxes.get(id)
        if (box?.info.instanceId !== instanceId) return new SandboxNotFound({ sandbox: id })
        const { status } = box.info
        return status === "running" ? undefined : new SandboxNotRunning({ sandbox: id, status })
      }

      /** A command's events, once it has ended. */
      const running = (
        id: SandboxId,
        run: (box: Box) => Effect.Effect<ReadonlyArray<ExecEvent>, ExecError>,
      ): Stream.Stream<ExecEvent, ExecError> =>
        Stream.unwrap(
          Effect.gen(function* () {
            const box = yield* findRunning(id)
            yield* Effect.acquireRelease(
              Effect.sync(() => {
                box.running += 1
              }),
              () =>
                Effect.sync(() => {
                  box.running -= 1
                }),
            )
            const events = yield* run(box)
            // Stopped or removed while it ran, as its processes would have been.
            const error = ended(id, box.info.instanceId)
            if (error !== undefined) return yield* Effect.fail(error)
            return Stream.fromIterable(events)
          }),
        )

      /** Looks at a folder whenever anything in the sandbox has changed. */
      const watch = (
        { info: { id, instanceId }, tree }: Box,
        path: string,
        { recursive, exclude }: FolderWatch,
      ): Stream.Stream<FolderChange, FileError> => {
        let seen: number | undefined
        const look = Effect.gen(function* () {
          const error = ended(id, instanceId)
          if (error !== undefined) return yield* Effect.fail(error)
          const { changes } = tree
          if (changes === seen) return []
          const isFirst = seen === undefined
          const depth = recursive ? Number.POSITIVE_INFINITY : 1
          const entries = yield* listFolder(tree, path, depth, exclude).pipe(
            Effect.catchTag(["FileNotFound", "NotADirectory"], (error) =>
              isFirst ? Effect.fail(error) : Effect.succeed([]),
            ),
          )
          seen = changes
          return [
            ...(isFirst ? [] : [FolderChange.Anew()]),
            ...entries.map((entry) => FolderChange.Found({ entry })),
            FolderChange.Complete(),
          ]
        })
        // Not at the change itself: it may be within a script, to which timers are forbidden.
        return Stream.tick("50 millis").pipe(
          Stream.mapEffect(() => look),
          Stream.flattenIterable,
        )
      }

      return SandboxDriver.of({
        capabilities: Effect.succeed({ ...capabilities, hostId }),
        ...unsupportedFeatures("memory"),
        create,
        start: (id) => setStatus(id, "running", SandboxEvent.Started({ id })),
        stop: (id) => setStatus(id, "stopped", SandboxEvent.Stopped({ id })),
        remove,
        inspect: (id) => Effect.map(find(id), seen),
        list: (session, tags) =>
          Effect.sync(() =>
            [...boxes.values()]
              .filter(({ info }) => session === undefined || info.session === session)
              .filter(({ info }) => hasTags(info, tags))
              .map(seen),
          ),
        exec: (id, request) =>
          running(id, ({ tree, env, info }) => runCommand(tree, env, info.workdir, request)),
        shells: {
          begin: Effect.fnUntraced(function* (id, name, { cwd, env }) {
            const box = yield* findRunning(id)
            const folder = cwd ?? box.info.workdir
            const found = yield* Effect.option(box.tree.stat(folder))
            if (found._tag === "None" || found.value.kind !== "directory") {
              const reason = "it is not a folder that commands can run in"
              return yield* new InvalidPath({ path: folder, reason })
            }
            box.shells.set(name, beginShell(folder, inLanguage({ ...box.env, ...env })))
          }),
          exec: (id, name, request, forgets) =>
            running(
              id,
              Effect.fnUntraced(function* ({ tree, shells }) {
                const before = shells.get(name)
                if (before === undefined) return yield* new SandboxNotFound({ sandbox: id })
                const { events, state } = yield* runInShell(tree, before, request, forgets)
                shells.set(name, state)
                return events
              }),
            ),
          end: (id, name) => Effect.sync(() => void boxes.get(id)?.shells.delete(name)),
        },
        stats: Effect.fnUntraced(function* (id) {
          yield* findRunning(id)
          return {
            readAt: DateTime.toDate(yield* DateTime.now),
            // All of it is in this process's memory.
            disk: { read: 0, written: 0 },
            network: { received: 0, sent: 0 },
          }
        }),
        // Users are recorded: everything runs as root.
        identify: (id) =>
          Effect.map(findRunning(id), ({ env }) => ({
            uid: 0,
            gid: 0,
            groups: [],
            home: env["HOME"] ?? "/root",
          })),
        stat: (id, path) => Effect.flatMap(findRunning(id), ({ tree }) => tree.stat(path)),
        readFile: (id, path, { offset = 0, length } = {}) =>
          fromTree(id, (tree) =>
            Stream.fromEffect(tree.read(path)).pipe(
              Stream.map((bytes) =>
                bytes.slice(offset, length === undefined ? undefined : offset + length),
              ),
            ),
          ),
        writeFile: Effect.fnUntraced(function* (id, path, content) {
          const { tree } = yield* findRunning(id)
          const bytes = Buffer.concat(yield* Stream.runCollect(content.bytes))
          if (content.size !== undefined && content.size !== bytes.length) {
            return yield* new StorageFailed({
              path,
              reason: "the content has not the size that was announced",
            })
          }
          const mode = Option.fromUndefinedOr(content.mode)
          yield* tree.write(
            path,
            Uint8Array.from(bytes),
            Option.getOrUndefined(Option.map(mode, (bits) => bits & 0o777)),
            content.modifiedAt,
          )
        }),
        getArchive: (id, path) => fromTree(id, (tree) => getArchive(tree, path)),
        putArchive: (id, path, archive) =>
          Effect.flatMap(findRunning(id), ({ tree }) => putArchive(tree, path, archive)),
        listFolder: (id, path, depth) =>
          Stream.unwrap(
            Effect.map(findRunning(id), ({ tree }) =>
              Stream.fromIterableEffect(listFolder(tree, path, depth)),
            ),
          ),
        makeFolder: (id, path) =>
          Effect.flatMap(findRunning(id), ({ tree }) => Effect.asVoid(tree.makeDirectory(path))),
        removeFile: (id, path, { recursive }) =>
          Effect.flatMap(findRunning(id), ({ tree }) => removeFile(tree, path, recursive)),
        moveFile: (id, from, to) =>
          Effect.flatMap(findRunning(id), ({ tree }) => moveFile(tree, from, to)),
        searchFolder: (id, path, search) =>
          Stream.unwrap(
            Effect.map(findRunning(id), ({ tree }) =>
              Stream.fromIterableEffect(searchFolder(tree, path, search)),
            ),
          ),
        watchFolder: (id, path, options) =>
          Stream.unwrap(Effect.map(findRunning(id), (box) => watch(box, path, options))),
        egressAttempts: (id) => Effect.as(find(id), []),
        events: Stream.fromPubSub(published),
        sweep: () => Effect.succeed([]),
      })
    }),
  )

/** The driver for `createSandboxes({ driver: memory() })`; the same as {@link layer}. */
export const memory = layer
