import { mkdtemp, rm } from "node:fs/promises"
import { createServer } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { DockerEngine } from "../src/DockerEngine.ts"
import { localEngine } from "../src/LocalEngine.ts"

const version = {
  Version: "1",
  ApiVersion: "1.41",
  Os: "linux",
  Arch: "amd64",
}

const info = { NCPU: 2, MemTotal: 1e9 }

const container = (running: boolean) => ({
  Id: "x",
  Name: "/x",
  Created: "2026-01-01T00:00:00Z",
  Config: { Image: "i", Labels: {} },
  State: { Status: running ? "running" : "exited", Running: running },
})

type Answer = readonly [status: number, body?: unknown]

/** An engine that answers what it is told to, by method and path, and hangs in everything else. */
const makeEngine = Effect.gen(function* () {
  const answers = new Map<string, Answer>()
  const asked: Array<string> = []
  const { path } = yield* Effect.acquireRelease(
    Effect.promise(async () => {
      const folder = await mkdtemp(join(tmpdir(), "cordon-bounded-"))
      const path = join(folder, "docker.sock")
      const server = createServer((request, response) => {
        const call = `${request.method} ${request.url?.replace(/\?.*/, "")}`
        asked.push(call)
        const answer = answers.get(call)
        if (answer === undefined) return
        const [status, body] = answer
        response.writeHead(status, { "content-type": "application/json" })
        response.end(body === undefined ? "" : JSON.stringify(body))
      })
      await new Promise<void>((resolve) => server.listen(path, resolve))
      return { folder, path, server }
    }),
    ({ folder, server }) =>
      Effect.promise(async () => {
        server.closeAllConnections()
        server.close()
        await rm(folder, { recursive: true })
      }),
  )
  const engine = yield* Effect.provide(DockerEngine, localEngine(path))
  return { engine, asked, answers }
})

/** Lets time pass, and the engine answer in between. */
const pass = Effect.fnUntraced(function* (seconds: number) {
  for (let second = 0; second < seconds; second++) {
    yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 4)))
    yield* TestClock.adjust("1 second")
  }
})

describe("an engine's call about a container", () => {
  const after = <A, E>(seconds: number, call: Effect.Effect<A, E>) =>
    Effect.gen(function* () {
      const fiber = yield* Effect.forkChild(Effect.flip(call))
      yield* pass(seconds)
      return yield* Fiber.join(fiber)
    })

  it.effect("fails with EngineUnreachable when the engine answers nothing at all", () =>
    Effect.gen(function* () {
      const { engine } = yield* makeEngine
      const calls = [
        engine.containerInspect("x"),
        engine.containerRemove("x"),
        engine.containerList({}),
        Effect.uninterruptible(engine.containerKill("x")),
      ]
      for (const call of calls) {
        const error = yield* after<unknown, { _tag: string }>(30, call)
        assert.strictEqual(error._tag, "EngineUnreachable")
      }
    }).pipe(Effect.scoped),
  )

  it.effect("condemns the container when the engine answers only other calls", () =>
    Effect.gen(function* () {
      const { engine, asked, answers } = yield* makeEngine
      answers.set("GET /version", [200, version]).set("GET /info", [200, info])
      const kill = Effect.uninterruptible(engine.containerKill("x"))
      assert.strictEqual((yield* after(35, kill))._tag, "SandboxCondemned")
      const before = asked.length
      for (const call of [engine.containerStart("x"), engine.containerInspect("x")]) {
        assert.strictEqual(
          (yield* Effect.flip<unknown, { _tag: string }, never>(call))._tag,
          "SandboxCondemned",
        )
      }
      assert.strictEqual(asked.length, before, "nothing more is asked about it")
      answers.set("GET /containers/y/json", [200, container(true)])
      assert.isTrue((yield* engine.containerInspect("y")).State.Running)
    }).pipe(Effect.scoped),
  )

  it.effect("condemns nothing when the network delivers short answers and loses long ones", () =>
    Effect.gen(function* () {
      const { engine, answers } = yield* makeEngine
      answers.set("GET /version", [200, version])
      const error = yield* after(45, engine.containerKill("x"))
      assert.strictEqual(error._tag, "EngineUnreachable")
      answers.set("GET /containers/x/json", [200, container(true)])
      assert.isTrue((yield* engine.containerInspect("x")).State.Running)
    }).pipe(Effect.scoped),
  )

  it.effect("condemns a container that survives its kill, and none that only takes long", () =>
    Effect.gen(function* () {
      const { engine, answers } = yield* makeEngine
      answers.set("GET /version", [200, version])
      answers.set("GET /containers/x/json", [200, container(true)])
      assert.strictEqual((yield* after(35, engine.containerStop("x")))._tag, "SandboxCondemned")
      answers.set("GET /containers/y/json", [200, container(false)])
      const removal = yield* Effect.forkChild(engine.containerRemove("y"))
      const pathStat = yield* Effect.forkChild(engine.containerPathStat("y", "/etc"))
      yield* pass(90)
      assert.isUndefined(removal.pollUnsafe())
      assert.isUndefined(pathStat.pollUnsafe())
      yield* Fiber.interruptAll([removal, pathStat])
    }).pipe(Effect.scoped),
  )

  it.effect("retries a failed removal briefly, and forgets a container that is gone", () =>
    Effect.gen(function* () {
      const { engine, asked, answers } = yield* makeEngine
      const remove = "DELETE /containers/x"
      answers.set(remove, [500, { message: "did not receive an exit event" }])
      const failed = yield* Effect.flip(engine.containerRemove("x"))
      assert.strictEqual(failed._tag, "SandboxCondemned")
      assert.notMatch(failed.message, /exit event/)
      answers.delete(remove)
      assert.strictEqual((yield* after(6, engine.containerRemove("x")))._tag, "SandboxCondemned")
      answers.set(remove, [204])
      yield* engine.containerRemove("x")
      answers.set("GET /containers/x/json", [200, container(true)])
      assert.isTrue((yield* engine.containerInspect("x")).State.Running)
      assert.strictEqual(asked.filter((call) => call === remove).length, 3)
    }).pipe(Effect.scoped),
  )

  it.effect("counts an image as removed when its name is gone while the engine hangs", () =>
    Effect.gen(function* () {
      const { engine, answers } = yield* makeEngine
      answers.set("GET /version", [200, version])
      answers.set("GET /images/i/json", [404, { message: "no such image" }])
      const removal = yield* Effect.forkChild(engine.imageRemove("i"))
      yield* pass(25)
      assert.isDefined(removal.pollUnsafe())
      yield* Fiber.join(removal)
    }).pipe(Effect.scoped),
  )
})
