import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, it } from "@effect/vitest"
import { Effect } from "effect"
import { DockerEngine } from "../src/DockerEngine.ts"
import { localEngine } from "../src/LocalEngine.ts"

// Takes every connection, reads what is asked, and never says a word: a daemon in a deadlock.
const silent = Effect.acquireRelease(
  Effect.promise(async () => {
    const folder = await mkdtemp(join(tmpdir(), "cordon-silent-"))
    const path = join(folder, "docker.sock")
    const server = createServer((socket) => socket.resume())
    await new Promise<void>((resolve) => server.listen(path, resolve))
    return { folder, path, server }
  }),
  ({ folder, server }) =>
    Effect.promise(async () => {
      server.close()
      await rm(folder, { recursive: true })
    }),
)

it.live(
  "a call to an engine that never answers fails in time, also when it can't be interrupted",
  () =>
    Effect.gen(function* () {
      const { path } = yield* silent
      yield* Effect.gen(function* () {
        const engine = yield* DockerEngine
        const calls = [engine.info, engine.containerStart("a"), engine.networkRemove("b")]
        for (const call of calls) {
          const error = yield* Effect.flip(Effect.uninterruptible(call))
          assert.strictEqual(error._tag, "EngineUnreachable")
          assert.match(error.message, /did not answer within 0\.1 s; .* restart it/)
        }
      }).pipe(Effect.provide(localEngine(path, 100)))
    }).pipe(Effect.scoped),
)
