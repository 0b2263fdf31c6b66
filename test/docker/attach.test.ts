// Attaching to a container's main process, and putting files into it, by each way to reach an engine.
import { packArchive } from "@cordon/core"
import {
  type ContainerSpec,
  DockerEngine,
  type ExecConnection,
  localEngine,
} from "@cordon/driver-docker"
import { layerEngine } from "@cordon/driver-docker-remote"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, type Layer, Scope, Stream } from "effect"
import { afterAll } from "vitest"
import { FrameParser } from "../../packages/driver-docker/src/engine/frames.ts"
import { noEngine, noGvisor, socketPath } from "../support/docker.ts"
import { noEngineContainers, startEngine } from "../support/engineContainer.ts"
import { noPodman, podman } from "../support/podman.ts"
import { skipped } from "../support/skipped.ts"
import { image } from "./support.ts"

const remote = noEngineContainers === undefined ? await startEngine({ tls: false }) : undefined
afterAll(() => remote?.stop())

const local = localEngine(socketPath)
const ways: ReadonlyArray<{
  readonly name: string
  readonly missing: string | undefined
  readonly layer: Layer.Layer<DockerEngine, unknown>
  readonly image: string
  readonly runtime: string
  readonly ulimits?: Readonly<Record<string, number>>
}> = [
  { name: "Docker's socket", missing: noEngine, layer: local, image, runtime: "runc" },
  {
    name: "Docker's socket, with gVisor",
    missing: noGvisor,
    layer: local,
    image,
    runtime: "runsc",
  },
  {
    name: "Podman's socket",
    missing: noPodman,
    layer: localEngine(podman.host.replace("unix://", "")),
    image: podman.image,
    runtime: "runc",
    ulimits: podman.ulimits,
  },
  {
    name: "TCP",
    missing: noEngineContainers,
    layer: layerEngine({ host: `tcp://127.0.0.1:${remote?.port}` }),
    image,
    runtime: "runc",
  },
]

const specOf = (
  { image, runtime, ulimits = {} }: Omit<(typeof ways)[number], "layer" | "missing">,
  script: string,
): ContainerSpec => ({
  Image: image,
  Hostname: "attached",
  Entrypoint: ["/bin/sh", "-c", script],
  Cmd: [],
  Env: [],
  Labels: {},
  WorkingDir: "/",
  OpenStdin: true,
  StdinOnce: true,
  Healthcheck: { Test: ["NONE"] },
  StopTimeout: 1,
  HostConfig: {
    Runtime: runtime,
    NetworkMode: "none",
    Memory: 64 * 1024 ** 2,
    MemorySwap: 64 * 1024 ** 2,
    NanoCpus: 1e9,
    PidsLimit: 64,
    Init: true,
    CapDrop: ["ALL"],
    CapAdd: [],
    SecurityOpt: ["no-new-privileges"],
    IpcMode: "private",
    RestartPolicy: { Name: "no" },
    LogConfig: { Type: "none", Config: {} },
    Ulimits: Object.entries(ulimits).map(([Name, most]) => ({ Name, Soft: most, Hard: most })),
  },
})

let containers = 0

/** A container that is not started; the scope's end removes it. */
const created = (spec: ContainerSpec) =>
  Effect.acquireRelease(
    Effect.flatMap(DockerEngine, (engine) =>
      engine.containerCreate(`cordon-attach-${process.pid}-${Date.now()}-${++containers}`, spec),
    ),
    (id) => Effect.flatMap(DockerEngine, (engine) => Effect.orDie(engine.containerRemove(id))),
  )

/** What an attachment has brought of each output so far, and its end. */
const reading = (connection: ExecConnection) => {
  const parser = new FrameParser()
  const got = { Stdout: "", Stderr: "" }
  const { end } = connection.receive((piece) => {
    for (const { _tag, bytes } of parser.push(piece)) got[_tag] += Buffer.from(bytes).toString()
    return true
  })
  const until = (text: string) =>
    Effect.repeat(Effect.delay(Effect.void, "20 millis"), {
      until: () => got.Stdout.includes(text),
    })
  return { got, end, until }
}

const archiveOf = (path: string, text: string) =>
  packArchive(
    Stream.make({
      path,
      kind: "file" as const,
      mode: 0o644,
      size: text.length,
      content: Stream.make(Buffer.from(text)),
    }),
  ).pipe(
    Stream.runCollect,
    Effect.map((pieces) => Buffer.concat(pieces)),
  )

describe.each(ways)(
  "the engine's attach and archive calls over $name",
  ({ missing, layer, ...way }) => {
    const test = (
      title: string,
      body: (
        engine: DockerEngine["Service"],
      ) => Effect.Effect<void, unknown, DockerEngine | Scope.Scope>,
    ) =>
      missing === undefined
        ? it.live(title, () =>
            Effect.flatMap(DockerEngine, body).pipe(Effect.scoped, Effect.provide(layer)),
          )
        : skipped(`${title}, over ${way.name}`, missing)

    test("an attachment made before the start carries input and both whole outputs", (engine) =>
      Effect.gen(function* () {
        const id = yield* created(specOf(way, "echo first; echo other >&2; cat; echo last"))
        const connection = yield* engine.containerAttach(id)
        const { got, end, until } = reading(connection)
        yield* engine.containerStart(id)
        yield* until("first\n")
        yield* connection.write([Buffer.from("hello\n")])
        yield* until("hello\n")
        yield* connection.write([Buffer.alloc(1024 * 1024, "x")])
        yield* connection.end
        yield* end
        assert.strictEqual(got.Stdout, `first\nhello\n${"x".repeat(1024 * 1024)}last\n`)
        assert.strictEqual(got.Stderr, "other\n")
      }))

    test("an attachment can be made while the process runs", (engine) =>
      Effect.gen(function* () {
        const id = yield* created(specOf(way, "exec cat"))
        yield* engine.containerStart(id)
        const connection = yield* engine.containerAttach(id)
        const { until } = reading(connection)
        yield* connection.write([Buffer.from("hello\n")])
        yield* until("hello\n")
      }))

    test("closing an attachment's scope ends the process's input", (engine) =>
      Effect.gen(function* () {
        const id = yield* created(specOf(way, "cat; exit 7"))
        const scope = yield* Scope.make()
        const { until } = yield* Effect.gen(function* () {
          const connection = yield* engine.containerAttach(id)
          yield* connection.write([Buffer.from("hello\n")])
          return reading(connection)
        }).pipe(Scope.provide(scope))
        yield* engine.containerStart(id)
        yield* until("hello\n")
        yield* Scope.close(scope, Exit.void)
        const state = Effect.map(engine.containerInspect(id), ({ State }) => State)
        yield* Effect.repeat(Effect.delay(state, "100 millis"), {
          until: ({ Running }) => !Running,
        })
      }))

    test("files uploaded before the start exist in the container", (engine) =>
      Effect.gen(function* () {
        const id = yield* created(specOf(way, "cat '/etc/put in'"))
        yield* engine.containerPutArchive(id, "/", yield* archiveOf("etc/put in", "before "))
        yield* engine.containerPutArchive(id, "/", yield* archiveOf("etc/put in", "again"))
        const { got, end } = reading(yield* engine.containerAttach(id))
        yield* engine.containerStart(id)
        yield* end
        assert.strictEqual(got.Stdout, "again")
      }))

    test("attaching to nothing and uploading to no folder fail with the engine's message", (engine) =>
      Effect.gen(function* () {
        const none = `cordon-attach-none-${process.pid}`
        const id = yield* created(specOf(way, "true"))
        const archive = yield* archiveOf("x", "x")
        const attempts = [
          engine.containerAttach(none),
          engine.containerPutArchive(none, "/", archive),
          // Podman makes a folder that is not there.
          ...(way.name.startsWith("Podman")
            ? []
            : [engine.containerPutArchive(id, "/no/such/folder", archive)]),
        ]
        for (const attempt of attempts) {
          const error = yield* Effect.flip(Effect.asVoid(attempt))
          assert.strictEqual(error._tag, "EngineError")
          if (error._tag !== "EngineError") return
          assert.strictEqual(error.reason._tag, "NotFound", error.detail)
          assert.match(error.detail, /no such|not find|no container/i)
        }
      }))
  },
)
