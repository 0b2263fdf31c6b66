import type { Duplex } from "node:stream"
import { EngineError, EngineUnreachable, type HostError } from "@cordon/core"
import Docker from "dockerode"
import { Effect, Layer, Schema, type Scope, Stream } from "effect"
import { DockerEngine, type ExecConnection, type Filters } from "../DockerEngine.ts"
import { attach, startExec } from "./attach.ts"
import { bounded } from "./bounded.ts"
import { execConnection } from "./execConnection.ts"
import { execSpec } from "./execSpec.ts"
import { codeOf, refusal, systemReasons } from "./failures.ts"
import { IdleAgent } from "./idleAgent.ts"
import { messages } from "./jsonLines.ts"
import { orMissing, pathStatHeader, readPathStat } from "./pathStat.ts"
import { pull } from "./pull.ts"
import * as schemas from "./schemas.ts"
import type { Operation } from "./statusReasons.ts"

/** An HTTP answer of the engine, as dockerode's errors hold it. */
const Refusal = Schema.Struct({
  statusCode: Schema.Number,
  json: Schema.optionalKey(Schema.Unknown),
  reason: Schema.optionalKey(Schema.Unknown),
  message: Schema.String,
})
const isRefusal = Schema.is(Refusal)
const toHostError =
  (endpoint: string, operation: Operation) =>
  (cause: unknown): HostError => {
    if (cause instanceof EngineError) return cause
    if (isRefusal(cause)) return refusal(operation, cause.statusCode, cause.json, cause.message)
    const reason =
      systemReasons[codeOf(cause)] ?? (cause instanceof Error ? cause.message : String(cause))
    return new EngineUnreachable({ endpoint, reason })
  }

const bytesOf = (chunk: string | Uint8Array) =>
  typeof chunk === "string" ? Buffer.from(chunk) : chunk

const toMutable = (filters: Filters): Record<string, Array<string>> =>
  Object.fromEntries(Object.entries(filters).map(([key, values]) => [key, [...values]]))

/**
 * What a call comes to, or a failure once its time is up: an engine that hangs (20.10 does at times:
 * https://github.com/moby/moby/issues/46661) answers nobody any more. Not an Effect's timeout, which
 * would wait for the call where it can't be interrupted.
 */
const within = <A>(milliseconds: number, answer: Promise<A>): Promise<A> => {
  const { promise, reject } = Promise.withResolvers<never>()
  const reason = `it did not answer within ${milliseconds / 1000} s; if it answers nothing at all any more, restart it`
  const timer = setTimeout(() => reject(new Error(reason)), milliseconds).unref()
  return Promise.race([answer, promise]).finally(() => clearTimeout(timer))
}

/**
 * The engine behind a local socket, by dockerode.
 *
 * @param patience milliseconds that it has to answer a call
 * @param holds whether its connections keep the process alive
 */
export const socketEngine = (socketPath: string, patience: number, holds: boolean) =>
  Layer.sync(DockerEngine, () => {
    const place = { socketPath, ...(holds ? {} : { agent: new IdleAgent() }) }
    const docker = new Docker(place)
    const endpoint = `${process.platform === "win32" ? "npipe" : "unix"}://${socketPath}`

    const attempt = <A>(operation: Operation, f: () => Promise<A>) =>
      Effect.tryPromise({ try: f, catch: toHostError(endpoint, operation) })
    const call = <A>(operation: Operation, f: () => Promise<A>) =>
      attempt(operation, () => within(patience, f()))

    const ask = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
      operation: Operation,
      schema: S,
      f: () => Promise<unknown>,
    ) => Effect.flatMap(call(operation, f), schemas.decodeAnswer(operation, schema))

    /** A long answer; leaving it closes its connection. */
    const streamed = (
      operation: Operation,
      open: (abortSignal: AbortSignal) => Promise<NodeJS.ReadableStream>,
    ): Stream.Stream<Uint8Array, HostError> =>
      Stream.unwrap(
        Effect.gen(function* () {
          const connection = new AbortController()
          yield* Effect.addFinalizer(() => Effect.sync(() => connection.abort()))
          // It begins to answer with the first thing that it has to say.
          const stream = yield* attempt(operation, () => open(connection.signal))
          return Stream.fromAsyncIterable(stream, toHostError(endpoint, operation)).pipe(
            Stream.map(bytesOf),
          )
        }),
      )

    /** A connection that a call takes over. */
    const takenOver = (
      operation: Operation,
      open: (left: AbortSignal) => Promise<Duplex>,
    ): Effect.Effect<ExecConnection, HostError, Scope.Scope> =>
      Effect.gen(function* () {
        // Whatever comes of it is closed: also a connection that comes after an interruption.
        const leaving = new AbortController()
        yield* Effect.addFinalizer(() => Effect.sync(() => leaving.abort()))
        const socket = yield* call(operation, async () => {
          const socket = await open(leaving.signal)
          // An error that nobody listens for would end the process.
          socket.on("error", () => {})
          const leave = () => void socket.destroy()
          if (leaving.signal.aborted) leave()
          else leaving.signal.addEventListener("abort", leave)
          return socket
        })
        return execConnection(socket, toHostError(endpoint, operation))
      })

    return bounded({
      endpoint,
      version: ask("read the engine's version", schemas.EngineVersion, () => docker.version()),
      info: ask("read the engine's capabilities", schemas.EngineInfo, () => docker.info()),
      imageInspect: (image) =>
        ask("inspect an image", schemas.ImageInspect, () => docker.getImage(image).inspect()),
      imageList: (filters) =>
        ask("list images", Schema.Array(schemas.ImageSummary), () =>
          docker.listImages({ filters: JSON.stringify(filters) }),
        ),
      imageRemove: (image) =>
        Effect.asVoid(call("remove an image", () => docker.getImage(image).remove())),
      imagePull: (image, auth) => {
        const operation = "pull an image"
        const open = (left: AbortSignal) => pull(place, operation, image, auth, left)
        return messages(streamed(operation, open), operation, schemas.PullMessage)
      },
      networkCreate: (spec) =>
        Effect.map(
          ask("create a network", schemas.Created, () =>
            docker
              .createNetwork({ ...spec, IPAM: { Config: [...spec.IPAM.Config] } })
              .then((network) => ({ Id: network.id })),
          ),
          ({ Id }) => Id,
        ),
      networkList: (filters = {}) =>
        ask("list networks", Schema.Array(schemas.NetworkSummary), () =>
          docker.listNetworks({ filters: toMutable(filters) }),
        ),
      networkConnect: (network, container, address) =>
        Effect.asVoid(
          call("connect a network", () =>
            docker.getNetwork(network).connect({
              Container: container,
              ...(address === undefined
                ? {}
                : { EndpointConfig: { IPAMConfig: { IPv4Address: address } } }),
            }),
          ),
        ),
      networkRemove: (id) =>
        Effect.asVoid(call("remove a network", () => docker.getNetwork(id).remove())),
      containerCreate: (name, spec) => {
        const { Dns, ExtraHosts, ...hostConfig } = spec.HostConfig
        return Effect.map(
          ask("create a container", schemas.Created, () =>
            docker
              .createContainer({
                ...spec,
                name,
                Entrypoint: [...spec.Entrypoint],
                Cmd: [...spec.Cmd],
                Env: [...spec.Env],
                HostConfig: {
                  ...hostConfig,
                  CapAdd: [...hostConfig.CapAdd],
                  CapDrop: [...hostConfig.CapDrop],
                  SecurityOpt: [...hostConfig.SecurityOpt],
                  Ulimits: [...hostConfig.Ulimits],
                  ...(Dns === undefined ? {} : { Dns: [...Dns] }),
                  ...(ExtraHosts === undefined ? {} : { ExtraHosts: [...ExtraHosts] }),
                },
              })
              .then((container) => ({ Id: container.id })),
          ),
          ({ Id }) => Id,
        )
      },
      containerRename: (name, newName) =>
        Effect.asVoid(
          call("rename a container", () => docker.getContainer(name).rename({ name: newName })),
        ),
      containerInspect: (id) =>
        ask("inspect a container", schemas.ContainerInspect, () =>
          docker.getContainer(id).inspect(),
        ),
      containerList: (filters) =>
        ask("list containers", Schema.Array(schemas.ContainerSummary), () =>
          docker.listContainers({ all: true, filters: toMutable(filters) }),
        ),
      containerLogs: (id) =>
        Stream.fromEffect(
          call("read a container's log", () =>
            docker.getContainer(id).logs({ follow: false, stdout: true }),
          ),
        ),
      containerPathStat: (id, path) => {
        const operation = "look into a container"
        return call(operation, async () => {
          const answer = await docker.getContainer(id).infoArchive({ path })
          // An answer nobody reads holds its connection, and with it the whole process.
          answer.resume()
          return answer.headers[pathStatHeader]
        }).pipe(
          Effect.flatMap((value) => readPathStat(operation, value)),
          orMissing,
        )
      },
      containerPutArchive: (id, path, archive) =>
        Effect.asVoid(
          call("put files into a container", () => {
            const { buffer, byteOffset, byteLength } = archive
            const bytes = Buffer.from(buffer, byteOffset, byteLength)
            return docker.getContainer(id).putArchive(bytes, { path })
          }),
        ),
      containerAttach: (id) => {
        const operation = "attach to a container"
        return takenOver(operation, (left) => attach(place, id, operation, left))
      },
      containerStart: (id) =>
        Effect.asVoid(call("start a container", () => docker.getContainer(id).start())),
      containerStop: (id) =>
        Effect.asVoid(call("stop a container", () => docker.getContainer(id).stop())),
      containerKill: (id) =>
        Effect.asVoid(call("kill a container", () => docker.getContainer(id).kill())),
      containerCommit: (id, { environment, ...image }) =>
        Effect.asVoid(
          call("snapshot a container", () =>
            docker.getContainer(id).commit({
              _query: { container: id, ...image },
              _body: environment === undefined ? {} : { Env: environment },
            }),
          ),
        ),
      containerPause: (id) =>
        Effect.asVoid(call("pause a container", () => docker.getContainer(id).pause())),
      containerUnpause: (id) =>
        Effect.asVoid(call("resume a container", () => docker.getContainer(id).unpause())),
      containerRemove: (id) =>
        Effect.asVoid(
          call("remove a container", () =>
            docker.getContainer(id).remove({ force: true, v: true }),
          ),
        ),
      execCreate: (container, command) =>
        Effect.map(
          ask("prepare a command", schemas.Created, () =>
            docker
              .getContainer(container)
              .exec(execSpec(command))
              .then((exec) => ({ Id: exec.id })),
          ),
          ({ Id }) => Id,
        ),
      execStart: (id) => {
        const operation = "start a command"
        return takenOver(operation, (left) => startExec(place, id, operation, left))
      },
      events: (filters) =>
        messages(
          streamed("watch events", (abortSignal) =>
            docker.getEvents({ filters: toMutable(filters), abortSignal }),
          ),
          "watch events",
          schemas.EngineEvent,
        ),
    })
  })
