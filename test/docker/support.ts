import {
  type Sandbox,
  type SandboxDriver,
  Sandboxes,
  type SandboxSession,
  type SessionFiles,
  type SettingsInput,
  sessionFilesMemory,
} from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import { it } from "@effect/vitest"
import Dockerode from "dockerode"
import { Effect, Layer, Stream } from "effect"
import { noEngine, socketPath } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"
import { needs } from "../support/skips.ts"

/** The engine itself, to see what it was really asked for. */
export const engine = new Dockerode({ socketPath })

export const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"

/**
 * Everything on the engine that a session owns, by kind. A network that is being removed is given
 * the time for that: its sandbox is gone already.
 */
export const ownedBy = async (sandboxId: string, client = engine) => {
  const prefix = sandboxId.replace(/^(cordon-[0-9a-f]{16}-).*$/, "$1")
  const filters = { label: ["dev.cordon.spec"] }
  const look = async () => {
    const all = await client.listContainers({ all: true, filters })
    const containers = all.filter(({ Names }) => Names[0]?.startsWith(`/${prefix}`))
    // Podman's lists have no `HostConfig`, whatever the types say.
    const networksOf = (containers: ReadonlyArray<Dockerode.ContainerInfo>) =>
      new Set(
        containers.flatMap(({ HostConfig, NetworkSettings }) => [
          HostConfig?.NetworkMode,
          ...Object.keys(NetworkSettings?.Networks ?? {}),
        ]),
      )
    const [used, elsewhere] = [networksOf(containers), networksOf(all)]
    const networks = (await client.listNetworks({ filters })).filter(
      ({ Name, Labels }) =>
        used.has(Name) || (Labels?.["dev.cordon.id"]?.startsWith(prefix) && !elsewhere.has(Name)),
    )
    return {
      containers: containers.length,
      networks: networks.length,
      unused: networks.filter(({ Name }) => !used.has(Name)).length,
    }
  }
  for (let tries = 0; ; tries++) {
    const { unused, ...owned } = await look()
    if (unused === 0 || tries === 50) return owned
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

/** The engine's own account of a sandbox's container, and of its network. */
export const containerOf = ({ info }: Sandbox) =>
  Effect.promise(() => engine.getContainer(info.instanceId).inspect())
export const networkOf = (sandbox: Sandbox) =>
  Effect.flatMap(containerOf(sandbox), ({ HostConfig }) =>
    Effect.promise(() => engine.getNetwork(HostConfig.NetworkMode ?? "").inspect()),
  )

/** Runs a program with a session on the real engine; all it created is removed afterwards. */
export const withSession = <A, E>(
  f: (
    session: SandboxSession,
    sandboxes: Sandboxes["Service"],
  ) => Effect.Effect<A, E, SandboxDriver | SessionFiles>,
  settings: SettingsInput = {},
  options: docker.DockerOptions = {},
) =>
  Effect.gen(function* () {
    const sandboxes = yield* Sandboxes
    return yield* f(yield* sandboxes.session(freshSessionId()), sandboxes)
  }).pipe(
    Effect.provide(
      Sandboxes.layer({ image, ...settings }).pipe(
        Layer.provideMerge(docker.layer(options)),
        Layer.merge(sessionFilesMemory),
      ),
    ),
    Effect.scoped,
  )

export const textOf = (sandbox: Sandbox, command: string) =>
  Effect.map(sandbox.run(command), (result) => result.stdout.trim())

export const collect = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => Buffer.concat(chunks))

/** A test on the real engine, skipped with the reason where none answers. */
export const onEngine = <E>(
  name: string,
  body: () => Effect.Effect<unknown, E>,
  timeout?: number,
) => (noEngine === undefined ? it.live(name, body, timeout) : skipped(name, noEngine))

/** A test on the real engine that also needs something that CI sets up and names in a variable. */
export const needing = <E>(
  variable: string,
  name: string,
  body: (value: string) => Effect.Effect<unknown, E>,
  timeout?: number,
) => {
  const value = process.env[variable]
  return value === undefined
    ? skipped(name, noEngine ?? needs("an image", `${variable} is not set, as CI does`))
    : onEngine(name, () => body(value), timeout)
}
