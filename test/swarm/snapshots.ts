import { SandboxDriver, SandboxName } from "@cordon/core"
import { assert } from "@effect/vitest"
import { Context, Effect, Layer } from "effect"
import { forwardRegistry } from "../support/engineContainer.ts"
import { type Cluster, changeNode } from "./cluster.ts"
import { type Check, create, type Driver, exec, nodeOf, out, session } from "./support.ts"

/** The registry of the tests, as nodes reach it, for as long as the scope lives. */
const registryOf = ({ outside }: Cluster) =>
  Effect.map(
    Effect.acquireRelease(
      Effect.promise(() => forwardRegistry(outside)),
      (registry) => Effect.promise(async () => registry?.close()),
    ),
    (registry) => registry?.address ?? "",
  )

/** Has a node take no more sandboxes, until the scope's end. */
const pause = ({ manager }: Cluster, name: string) => {
  const available = (Availability: string) =>
    Effect.promise(() => changeNode(manager, name, (spec) => ({ ...spec, Availability })))
  return Effect.acquireRelease(available("pause"), () => available("active"))
}

/** What a swarm has to see to that one engine need not. */
export const snapshotPlaces = (
  check: Check,
  checkRegistry: Check,
  driverWith: (snapshotRepository: string) => Driver,
) => {
  checkRegistry("makes sandboxes on any node from a snapshot in a registry", (cluster) =>
    Effect.gen(function* () {
      const registry = yield* registryOf(cluster)
      const context = yield* Layer.build(driverWith(`${registry}/team/snapshots`))
      const driver = Context.get(context, SandboxDriver)
      yield* Effect.gen(function* () {
        const id = yield* create()
        yield* exec(id, "echo kept >/tmp/kept")
        const name = SandboxName.make("pushed")
        const { image } = yield* driver.snapshot(id, name)
        yield* Effect.addFinalizer(() => Effect.ignore(driver.removeSnapshot(session, name)))
        const host = yield* Effect.promise(() => nodeOf(cluster, id))
        yield* pause(cluster, host)
        const fork = yield* create({ image })
        assert.notStrictEqual(yield* Effect.promise(() => nodeOf(cluster, fork)), host)
        assert.strictEqual(yield* out(fork, "cat /tmp/kept"), "kept")
        const { image: its } = yield* driver.inspect(fork)
        assert.match(its, /\/team\/snapshots@sha256:/)
        for (const box of [fork, id]) yield* driver.remove(box)
      }).pipe(Effect.scoped, Effect.provideService(SandboxDriver, driver))
    }),
  )

  check("places all sandboxes of a snapshot on its node", (cluster) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const id = yield* create()
      const name = SandboxName.make("placed")
      const { image } = yield* driver.snapshot(id, name)
      yield* Effect.addFinalizer(() => Effect.ignore(driver.removeSnapshot(session, name)))
      const forks = yield* Effect.forEach([1, 2, 3], () => create({ image }), { concurrency: 3 })
      const hosts = yield* Effect.promise(() =>
        Promise.all([id, ...forks].map((box) => nodeOf(cluster, box))),
      )
      assert.strictEqual(new Set(hosts).size, 1)
      for (const fork of forks) yield* driver.remove(fork)
    }),
  )

  check(
    "starts our own init in sandboxes of a snapshot, whatever code inside put in its place",
    () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* create()
        yield* exec(
          id,
          "rm -f /.cordon/init; printf '#!/bin/false\\n' >/.cordon/init; chmod 755 /.cordon/init",
        )
        const name = SandboxName.make("forged")
        const { image: taken } = yield* driver.snapshot(id, name)
        yield* Effect.addFinalizer(() => Effect.ignore(driver.removeSnapshot(session, name)))
        // The sandbox goes on.
        assert.strictEqual(yield* out(id, "echo on"), "on")
        const fork = yield* create({ image: taken })
        assert.strictEqual(yield* out(fork, "head -c 4 /.cordon/init | tail -c 3"), "ELF")
        assert.match(yield* out(fork, "tr '\\0' ' ' </proc/1/cmdline"), /^\/\.cordon\/init/)
        yield* driver.remove(fork)
      }),
    120_000,
  )

  check("refuses a snapshot that would hang the engine that starts it", () =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const id = yield* create()
      yield* exec(id, "rm -f /etc/passwd; mkfifo /etc/passwd")
      const name = SandboxName.make("held")
      const error = yield* Effect.flip(driver.snapshot(id, name))
      assert.strictEqual(error._tag, "EngineError")
      assert.match(error.message, /\/etc\/passwd is no longer a regular file/)
      assert.deepStrictEqual(yield* driver.snapshots(session, true), [])
    }),
  )
}
