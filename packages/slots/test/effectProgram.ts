import { type Sandbox, Sandboxes } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { effectSandbox } from "@cordon/slots/effect"
import { it } from "@effect/vitest"
import {
  Effect,
  type FileSystem,
  Layer,
  type Path,
  type PlatformError,
  type Scope,
  Stream,
} from "effect"
import type { ChildProcessSpawner } from "effect/process"

type Services = FileSystem.FileSystem | Path.Path | ChildProcessSpawner.ChildProcessSpawner

/** A program that runs in a sandbox in memory. */
export const test = <E>(
  title: string,
  body: (sandbox: Sandbox) => Effect.Effect<void, E, Services | Scope.Scope>,
) =>
  it(title, () =>
    Effect.gen(function* () {
      const sandboxes = yield* Sandboxes
      const sandbox = yield* Sandboxes.scoped(yield* sandboxes.session("effect"))
      yield* Effect.scoped(body(sandbox)).pipe(Effect.provide(effectSandbox(sandbox)))
    }).pipe(
      Effect.scoped,
      Effect.provide(Layer.provide(Sandboxes.layer(), memory())),
      Effect.runPromise,
    ),
  )

/** What it failed with, by its tag. */
export const failure = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(Effect.flip(effect), ({ reason }) => reason)
export const tagOf = <A, R>(effect: Effect.Effect<A, PlatformError.PlatformError, R>) =>
  Effect.map(failure(effect), ({ _tag }) => _tag)

export const bytes = (text: string) => new TextEncoder().encode(text)
export const textOf = <E, R>(stream: Stream.Stream<Uint8Array, E, R>) =>
  Stream.mkString(Stream.decodeText(stream))
