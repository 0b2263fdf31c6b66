import {
  type EgressAttempt,
  EgressPolicy,
  EngineError,
  type HostError,
  type ImageNotFound,
  type ImagePullFailed,
  type PullProgress,
} from "@cordon/core"
import { Effect, Option, Schema, Stream } from "effect"
import type { ContainerSpec, DockerEngine } from "../DockerEngine.ts"
import { FrameParser } from "../engine/frames.ts"
import { networkOf } from "../engine/podman.ts"
import type { ContainerInspect } from "../engine/schemas.ts"
import { label } from "../Labels.ts"
import { isNetworkName, proxyName } from "../names.ts"
import type { Images } from "../registry/images.ts"
import { removeProxy } from "./networks.ts"
import { parseAttempts, proxyEnvironment, proxyPort, proxyScript, squidConfig } from "./squid.ts"
import { formatAddress } from "./subnets.ts"

type Engine = DockerEngine["Service"]

/** Options of the proxies between sandboxes with an allow-list and the outside. */
export interface EgressOptions {
  /** An image with Squid and a user `proxy`. Default: `ubuntu/squid:latest`. */
  readonly image?: string
  /** The engine's network through which a proxy reaches the outside. Default: `bridge`. */
  readonly network?: string
  /** Addresses by name, for names that the engine's host can't resolve. */
  readonly hosts?: Readonly<Record<string, string>>
}

const defaultImage = "ubuntu/squid:latest"

const proxySpec = (
  options: EgressOptions,
  runtime: string,
  policy: EgressPolicy,
  address: string,
): ContainerSpec => ({
  Image: options.image ?? defaultImage,
  Hostname: "egress",
  Entrypoint: [],
  Cmd: ["/bin/sh", "-c", proxyScript],
  Env: [`CORDON_EGRESS=${squidConfig(policy, address)}`],
  Labels: { [label.version]: "1" },
  WorkingDir: "/",
  User: "proxy",
  Healthcheck: { Test: ["NONE"] },
  StopTimeout: 1,
  HostConfig: {
    Runtime: runtime,
    NetworkMode: options.network ?? "bridge",
    ExtraHosts: Object.entries(options.hosts ?? {}).map(([name, to]) => `${name}:${to}`),
    ReadonlyRootfs: true,
    Tmpfs: { "/tmp": "size=4m,mode=1777" },
    Memory: 64 * 1024 ** 2,
    MemorySwap: 64 * 1024 ** 2,
    NanoCpus: 500_000_000,
    PidsLimit: 32,
    Init: true,
    CapDrop: ["ALL"],
    CapAdd: [],
    SecurityOpt: ["no-new-privileges"],
    IpcMode: "private",
    // The proxy lives as long as its network; without it the sandbox could not reach the outside at
    // all.
    RestartPolicy: { Name: "always" },
    LogConfig: { Type: "json-file", Config: { "max-size": "1m", "max-file": "1" } },
    Ulimits: [{ Name: "core", Soft: 0, Hard: 0 }],
  },
})

const Recorded = Schema.fromJsonString(
  Schema.Struct({ network: Schema.String, policy: EgressPolicy }),
)
const encodeRecord = Schema.encodeSync(Recorded)
const decodeRecord = Schema.decodeUnknownOption(Recorded)

/** The label of a sandbox from which its proxy can be recreated. */
export const egressLabel = (network: string, policy: EgressPolicy) => ({
  [label.egress]: encodeRecord({ network, policy }),
})

/**
 * The allow-list of a sandbox; none if its label was inherited from its image, a snapshot of
 * another sandbox.
 */
export const policyOf = (container: ContainerInspect) =>
  decodeRecord(container.Config.Labels?.[label.egress]).pipe(
    Option.filter(({ network }) => network === networkOf(container)),
  )

/**
 * The proxy variables for an image of a container: their values in the image that the container was
 * made from, without the container's own proxy.
 */
export const withoutProxy = (
  container: ContainerInspect,
  image: ReadonlyArray<string>,
): ReadonlyArray<string> => {
  if (Option.isNone(policyOf(container))) return []
  const own = container.Config.Env ?? []
  const [, address = ""] = own.flatMap((entry) => proxyAddress.exec(entry) ?? [])
  return Object.entries(proxyEnvironment(address))
    .filter(([name, value]) => own.includes(`${name}=${value}`))
    .map(([name]) => image.find((entry) => entry.startsWith(`${name}=`)) ?? name)
}
const proxyAddress = new RegExp(`^https?_proxy=http://([\\d.]+):${proxyPort}$`, "i")

/** The requests that the proxy of a network logged. */
const attemptsOn = Effect.fnUntraced(function* (
  engine: Engine,
  network: string | null | undefined,
): Effect.fn.Return<ReadonlyArray<EgressAttempt>, HostError> {
  if (!isNetworkName(network)) return []
  const parser = new FrameParser()
  const log = yield* engine.containerLogs(proxyName(network)).pipe(
    Stream.mapEffect((piece) =>
      Effect.try({
        try: () => parser.push(piece),
        catch: (cause) =>
          new EngineError({
            operation: "read a proxy's log",
            reason: { _tag: "NotUnderstood" },
            detail: String(cause),
          }),
      }),
    ),
    Stream.runFold(
      () => "",
      (text, events) => text + events.map(({ bytes }) => Buffer.from(bytes).toString()).join(""),
    ),
    // No proxy: the sandbox may connect to everything, or to nothing.
    Effect.catchReason("EngineError", "NotFound", () => Effect.succeed("")),
  )
  return parseAttempts(log)
})

const notRestored = (error: ImageNotFound | ImagePullFailed | HostError): HostError =>
  error._tag === "EngineUnreachable"
    ? error
    : new EngineError({
        operation: "restore a proxy",
        reason: { _tag: "Failed" },
        detail: error.message,
      })

/** The proxies: one for each network, removed with its network. */
export const makeEgress = (engine: Engine, images: Images, options: EgressOptions = {}) => {
  const prepare = (
    onProgress: (progress: PullProgress) => Effect.Effect<void>,
  ): Effect.Effect<void, ImageNotFound | ImagePullFailed | HostError> =>
    Effect.asVoid(
      images.provide(
        { image: options.image ?? defaultImage, access: { as: "operator", always: false } },
        onProgress,
      ),
    )

  const start = Effect.fnUntraced(function* (
    network: string,
    subnet: string,
    runtime: string,
    policy: EgressPolicy,
  ) {
    // The first address belongs to the gateway, the last but one to the proxy.
    const address = formatAddress(subnet, 6)
    const id = yield* engine.containerCreate(
      proxyName(network),
      proxySpec(options, runtime, policy, address),
    )
    yield* engine.networkConnect(network, id, address)
    yield* engine.containerStart(id)
    return proxyEnvironment(address)
  })

  const remake = Effect.fnUntraced(function* (
    network: string,
    policy: EgressPolicy,
    runtime: string,
  ) {
    const networks = yield* engine.networkList({ name: [`^${network}$`] })
    const [subnet] = networks.flatMap(({ IPAM }) =>
      (IPAM?.Config ?? []).flatMap(({ Subnet }) => Subnet ?? []),
    )
    // Without its network the sandbox does not start either, and reports that.
    if (subnet === undefined) return
    yield* prepare(() => Effect.void)
    yield* start(network, subnet, runtime, policy)
  })

  return {
    /** Pulls the proxy's image if needed, before anything else is made. */
    prepare,

    /**
     * Starts the proxy of a network. After a failure, the removal of the network cleans up.
     *
     * @returns the environment variables that point the sandbox's programs to it
     */
    start,

    /** Starts the proxy of a sandbox again, or recreates it if it is gone. */
    restore: Effect.fn("restoreProxy")(function* (
      container: ContainerInspect,
      runtime: string,
    ): Effect.fn.Return<void, HostError> {
      const recorded = policyOf(container)
      if (Option.isNone(recorded)) return
      const { network, policy } = recorded.value
      const proxy = yield* engine.containerInspect(proxyName(network)).pipe(
        Effect.map(Option.some),
        Effect.catchReason("EngineError", "NotFound", () => Effect.succeedNone),
      )
      if (Option.isSome(proxy)) {
        if (proxy.value.State.Running) return
        const connected = proxy.value.NetworkSettings?.Networks?.[network] !== undefined
        if (connected) {
          return yield* engine.containerStart(proxy.value.Id).pipe(
            // Another program was faster.
            Effect.catchReason("EngineError", "NotModified", () => Effect.void),
          )
        }
        yield* removeProxy(engine, network)
      }
      yield* remake(network, policy, runtime).pipe(
        // Another program was faster.
        Effect.catchReason("EngineError", "NameTaken", () => Effect.void),
        Effect.mapError(notRestored),
      )
    }),

    attempts: (network: string | null | undefined) => attemptsOn(engine, network),
  }
}
export type Egress = ReturnType<typeof makeEgress>
