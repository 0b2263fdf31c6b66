import { execFileSync } from "node:child_process"
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
import Dockerode from "dockerode"
import { Effect, Layer, Stream } from "effect"
import { noEngine, socketPath } from "../support/docker.ts"

/** The engine itself, to see what it was really asked for. */
export const engine = new Dockerode({ socketPath })

export const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"

let sessions = 0
/** A session that no other test uses. */
export const freshSession = () => `test-${process.pid}-${Date.now()}-${++sessions}`

/** Everything on the engine that a session owns, by kind. */
export const ownedBy = async (sandboxId: string) => {
  const prefix = sandboxId.replace(/^(cordon-[0-9a-f]{16}-).*$/, "$1")
  const [containers, networks] = await Promise.all([
    engine.listContainers({ all: true, filters: { name: [prefix] } }),
    engine.listNetworks({ filters: { name: [prefix] } }),
  ])
  return { containers: containers.length, networks: networks.length }
}

/** Runs a program with a session on the real engine; all it created is removed afterwards. */
export const withSession = <A, E>(
  f: (
    session: SandboxSession,
    sandboxes: Sandboxes["Service"],
  ) => Effect.Effect<A, E, SandboxDriver | SessionFiles>,
  settings: SettingsInput = {},
) =>
  Effect.gen(function* () {
    const sandboxes = yield* Sandboxes
    return yield* f(yield* sandboxes.session(freshSession()), sandboxes)
  }).pipe(
    Effect.provide(
      Sandboxes.layer({ image, ...settings }).pipe(
        Layer.provideMerge(docker.layer()),
        Layer.merge(sessionFilesMemory),
      ),
    ),
    Effect.scoped,
  )

export const textOf = (sandbox: Sandbox, command: string) =>
  Effect.map(sandbox.run(command), (result) => result.stdout.trim())

/** Resident memory of this process in bytes, as the kernel has it. */
export const resident = (pid = process.pid) =>
  Number(execFileSync("ps", ["-o", "rss=", "-p", String(pid)], { encoding: "utf8" })) * 1024

export const collect = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  Effect.map(Stream.runCollect(stream), (chunks) => Buffer.concat(chunks))

/** Skips, with the reason, where no engine answers; where CI requires one the test fails instead. */
export const skipping =
  (ctx: { readonly skip: (note: string) => never }) =>
  <A, E>(effect: Effect.Effect<A, E>) => {
    const reason = noEngine
    return reason === undefined ? effect : Effect.sync(() => ctx.skip(reason))
  }
