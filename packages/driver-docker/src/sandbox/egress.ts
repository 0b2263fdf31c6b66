import {
  type EgressAttempt,
  type EgressPolicy,
  EngineError,
  type HostError,
  type ImageNotFound,
  type ImagePullFailed,
  type PullProgress,
} from "@cordon/core"
import { Effect, Stream } from "effect"
import type { ContainerSpec, DockerEngine } from "../DockerEngine.ts"
import { FrameParser } from "../engine/frames.ts"
import { label } from "../Labels.ts"
import { formatAddress } from "../Subnets.ts"
import { provideImage } from "./image.ts"
import { isNetworkName, proxyName } from "./network.ts"
import { parseAttempts, proxyEnvironment, proxyScript, squidConfig } from "./squid.ts"

type Engine = DockerEngine["Service"]

/** The proxies that stand between sandboxes with an allow-list and the world. */
export interface EgressOptions {
  /** An image with Squid and a user `proxy`: `ubuntu/squid:latest`. */
  readonly image?: string
  /** The engine's network by which a proxy goes out: `bridge`. */
  readonly network?: string
  /** Addresses of names that the engine's host does not know, by name. */
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
    // It lives as long as its network; without it the sandbox would have no way out at all.
    RestartPolicy: { Name: "always" },
    LogConfig: { Type: "json-file", Config: { "max-size": "1m", "max-file": "1" } },
    Ulimits: [{ Name: "core", Soft: 0, Hard: 0 }],
  },
})

/** Proxies by the networks that they are on: one each, removed with its network. */
export const makeEgress = (engine: Engine, options: EgressOptions = {}) => ({
  /** Makes the proxy's image available, before anything is made that would have to be undone. */
  prepare: (
    onProgress: (progress: PullProgress) => Effect.Effect<void>,
  ): Effect.Effect<void, ImageNotFound | ImagePullFailed | HostError> =>
    Effect.asVoid(provideImage(engine, options.image ?? defaultImage, onProgress)),

  /**
   * Starts the proxy of a network. What it leaves where it fails goes with the network.
   *
   * @returns the environment by which the sandbox's programs find it
   */
  start: Effect.fnUntraced(function* (
    network: string,
    subnet: string,
    runtime: string,
    policy: EgressPolicy,
  ) {
    // The first address is the gateway's, the last but one ours.
    const address = formatAddress(subnet, 6)
    const id = yield* engine.containerCreate(
      proxyName(network),
      proxySpec(options, runtime, policy, address),
    )
    yield* engine.networkConnect(network, id, address)
    yield* engine.containerStart(id)
    return proxyEnvironment(address)
  }),

  attempts: Effect.fnUntraced(function* (
    network: string | null | undefined,
  ): Effect.fn.Return<ReadonlyArray<EgressAttempt>, HostError> {
    if (!isNetworkName(network)) return []
    const parser = new FrameParser()
    const log = yield* engine.containerLogs(proxyName(network)).pipe(
      Stream.mapEffect((piece) =>
        Effect.try({
          try: () => parser.push(piece),
          catch: (cause) =>
            new EngineError({ operation: "read a proxy's log", status: 0, detail: String(cause) }),
        }),
      ),
      Stream.runFold(
        () => "",
        (text, events) => text + events.map(({ bytes }) => Buffer.from(bytes).toString()).join(""),
      ),
      // No proxy: it may go anywhere, or nowhere.
      Effect.catchIf(
        (error) => error._tag === "EngineError" && error.status === 404,
        () => Effect.succeed(""),
      ),
    )
    return parseAttempts(log)
  }),
})
export type Egress = ReturnType<typeof makeEgress>
