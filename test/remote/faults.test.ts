import {
  collectOutput,
  defaultLimits,
  FilePath,
  packArchive,
  SandboxDriver,
  type SandboxId,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import type { DockerDriverOptions } from "@cordon/driver-docker"
import { dockerRemote } from "@cordon/driver-docker-remote"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Fiber, Result, Schedule, Stream } from "effect"
import { afterAll } from "vitest"
import { noEngineContainers, startEngine } from "../support/engineContainer.ts"
import { type Fate, type FaultProxy, startFaultProxy } from "../support/faultProxy.ts"
import { skipped } from "../support/skipped.ts"

const engine = noEngineContainers === undefined ? await startEngine({ tls: false }) : undefined
afterAll(() => engine?.stop())

const session = sessionKey(SessionId.make(`faults-${process.pid}`))
let boxes = 0

const nextId = () => sandboxId(session, SandboxName.make(`box-${++boxes}`))

const create = (id: SandboxId) =>
  Effect.flatMap(SandboxDriver, (driver) =>
    driver.create({
      id,
      session,
      spec: {
        name: SandboxName.make(`box-${boxes}`),
        image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
        runtime: "runc",
        limits: { ...defaultLimits, memory: 64 * 1024 ** 2 },
        network: "bridge",
        lease: { idleTimeout: 600_000, removeTimeout: 1_200_000 },
        env: {},
        workdir: "/work",
      },
    }),
  )

const run = (id: SandboxId, command: string) =>
  Effect.flatMap(SandboxDriver, (driver) =>
    collectOutput(driver.exec(id, { command, timeout: Duration.seconds(60) }), 1024 * 1024),
  )

/** How often a command really ran, by what it left in the sandbox. */
const counting = (command = "") => `echo ran >>/work/count; ${command}`
const timesRun = (id: SandboxId) =>
  Effect.map(run(id, "cat /work/count 2>/dev/null | wc -l"), ({ stdout }) => Number(stdout))

/** All that Cordon has on the engine, seen past the proxy. */
const left = async () => {
  const filters = { label: ["dev.cordon.spec"] }
  const containers = await engine?.client.listContainers({ all: true, filters })
  const networks = await engine?.client.listNetworks({ filters })
  return [
    ...(containers ?? []).map(({ Names }) => `container ${Names[0]}`),
    ...(networks ?? []).map(({ Name }) => `network ${Name}`),
  ]
}

/** Networks are removed behind the caller's back: they are given the time for that. */
const leftInTheEnd = Effect.promise(left).pipe(
  Effect.repeat({
    schedule: Schedule.max([Schedule.spaced("200 millis"), Schedule.recurs(50)]),
    while: (found) => found.length > 0,
  }),
  Effect.andThen(Effect.promise(left)),
)

/** A test with a driver that reaches the engine through a proxy of its own. */
const through = (
  name: string,
  body: (proxy: FaultProxy) => Effect.Effect<unknown, unknown, SandboxDriver>,
  options: DockerDriverOptions = {},
) =>
  engine === undefined
    ? skipped(name, noEngineContainers ?? "")
    : it.live(
        name,
        () =>
          Effect.acquireUseRelease(
            Effect.promise(() => startFaultProxy({ host: "127.0.0.1", port: engine.port })),
            (proxy) =>
              body(proxy).pipe(
                Effect.provide(
                  dockerRemote({
                    host: `tcp://127.0.0.1:${proxy.port}`,
                    headersTimeout: "20 seconds",
                    ...options,
                  }),
                ),
              ),
            (proxy) => Effect.promise(() => proxy.close()),
          ),
        240_000,
      )

const removed = (id: SandboxId) =>
  Effect.flatMap(SandboxDriver, (driver) =>
    driver.remove(id).pipe(Effect.catchTag("SandboxNotFound", () => Effect.void)),
  )

const withSandbox = (use: (id: SandboxId) => Effect.Effect<unknown, unknown, SandboxDriver>) =>
  Effect.suspend(() => {
    const id = nextId()
    return Effect.acquireUseRelease(
      create(id),
      () => use(id),
      () => removed(id),
    )
  })

/** What changes something; removals of another sandbox come in between. */
const isChange = (request: string) => /^(POST|PUT) /.test(request)
const kindOf = (request: string) =>
  request.replace(/\/v[\d.]+/, "").replace(/(containers|exec|networks)\/(?!create)[\w.-]+/, "$1/ID")

/** Meets the n-th change with a fate, and tells what all of them were. */
const meet = (proxy: FaultProxy, n: number, fate: Fate) => {
  const seen: Array<string> = []
  proxy.fate = (request) => {
    if (!isChange(request)) return "pass"
    seen.push(kindOf(request).trim())
    return seen.length === n ? fate : "pass"
  }
  return seen
}

/** Meets the first requests of a kind with a fate. @returns how many there were */
const strike = (proxy: FaultProxy, step: string, fate: Fate, most: number) => {
  let met = 0
  proxy.fate = (request) => (kindOf(request).startsWith(step) && met++ < most ? fate : "pass")
  return () => met
}

/** Uses the engine as another process would, which has no connection to any sandbox. */
const anew = <A, E>(proxy: FaultProxy, use: Effect.Effect<A, E, SandboxDriver>) =>
  Effect.provide(
    use,
    dockerRemote({ host: `tcp://127.0.0.1:${proxy.port}`, headersTimeout: "20 seconds" }),
  )

describe("a network that fails", () => {
  through("only by latency makes calls slower, and changes no result", (proxy) =>
    Effect.gen(function* () {
      proxy.latency = 250
      yield* withSandbox((id) =>
        Effect.gen(function* () {
          const { stdout, exitCode } = yield* run(id, "seq 20000; exit 3")
          assert.strictEqual(stdout.split("\n").length, 20_001)
          assert.strictEqual(exitCode, 3)
        }),
      )
    }),
  )

  for (const fate of ["lose request", "lose answer"] as const) {
    through(`at any step of a creation (${fate}) leaves a whole sandbox or none`, (proxy) =>
      Effect.gen(function* () {
        const requests = meet(proxy, 0, "pass")
        yield* withSandbox(() => Effect.void)
        assert.isAtLeast(requests.filter((request) => /\/create/.test(request)).length, 2)
        for (const step of ["PUT /containers/ID/archive", "POST /containers/ID/attach"]) {
          assert.isTrue(requests.some((request) => request.startsWith(step)))
        }
        for (let n = 1; n <= requests.length; n++) {
          const id = nextId()
          const seen = meet(proxy, n, fate)
          const result = yield* Effect.result(create(id))
          proxy.fate = () => "pass"
          if (Result.isSuccess(result)) {
            assert.strictEqual((yield* run(id, "echo whole")).stdout, "whole\n")
          } else {
            assert.include(["EngineError", "EngineUnreachable"], result.failure._tag, seen[n - 1])
            assert.match(result.failure.message, /reset|closed the connection/)
          }
          // What failed must have left nothing to remove.
          if (Result.isSuccess(result)) yield* removed(id)
          assert.deepStrictEqual(yield* leftInTheEnd, [], `${fate} ${seen[n - 1]}`)
        }
      }),
    )

    through(`at any step of connecting (${fate}) runs the command once or not at all`, (proxy) =>
      withSandbox((id) =>
        Effect.gen(function* () {
          const content = Buffer.alloc(300_000, "cordon")
          const put = Effect.flatMap(SandboxDriver, (driver) =>
            driver.putArchive(
              id,
              FilePath.make("/work"),
              packArchive(
                Stream.succeed({
                  path: "file",
                  kind: "file" as const,
                  size: content.length,
                  mode: 0o644,
                  content: Stream.succeed(new Uint8Array(content)),
                }),
              ),
            ),
          )
          const ways = {
            command: Effect.asVoid(run(id, counting("sleep 0.2"))),
            archive: Effect.andThen(put, run(id, counting())),
          }
          for (const [way, use] of Object.entries(ways)) {
            for (const step of ["POST /containers/ID/exec ", "POST /exec/ID/start "]) {
              yield* run(id, "rm -f /work/count /work/file")
              const times = strike(proxy, step, fate, 1)
              yield* anew(proxy, use)
              assert.isAtLeast(times(), 2, step)
              assert.strictEqual(yield* timesRun(id), 1, `${way} ${step}`)
              if (way === "archive") {
                const { stdout } = yield* run(id, "wc -c </work/file")
                assert.strictEqual(Number(stdout), content.length)
              }
              // Where it goes on, the error says what happened, and nothing was started.
              strike(proxy, step, fate, Number.POSITIVE_INFINITY)
              yield* anew(
                proxy,
                Effect.gen(function* () {
                  const error = yield* Effect.flip(use)
                  assert.strictEqual(error._tag, "EngineUnreachable", step)
                  assert.match(error.message, /its answer got lost .*; nothing was started/)
                  proxy.fate = () => "pass"
                  assert.strictEqual(yield* timesRun(id), 1, `${way} ${step}`)
                  yield* use
                  assert.strictEqual(yield* timesRun(id), 2, `${way} ${step}`)
                }),
              )
            }
          }
          // What the engine had started to connect with is gone, and whatever it ran.
          yield* run(id, "pgrep -fc 'init connec[t]'; pgrep -c sleep").pipe(
            Effect.repeat({
              schedule: Schedule.spaced("200 millis"),
              until: ({ stdout }) => stdout === "0\n0\n",
            }),
          )
        }),
      ),
    )
  }

  /** Runs a command, and strikes when it has begun. */
  const striking = (id: SandboxId, strike: Effect.Effect<unknown>) =>
    Effect.result(
      Effect.raceFirst(
        run(id, counting("sleep 50")),
        timesRun(id).pipe(
          Effect.repeat({
            schedule: Schedule.spaced("200 millis"),
            while: (times) => times === 0,
          }),
          Effect.andThen(strike),
          Effect.andThen(Effect.never),
        ),
      ),
    )
  const messageOf = (end: Result.Result<unknown, { readonly message: string }>) =>
    Result.isFailure(end) ? end.failure.message : "it ended"

  through("in the middle of a command fails the call, and ends the command", (proxy) =>
    withSandbox((id) =>
      Effect.gen(function* () {
        const reset = Effect.sync(() => proxy.reset())
        assert.match(messageOf(yield* striking(id, reset)), /reset|closed the connection/)
        assert.strictEqual(yield* timesRun(id), 1)
        assert.strictEqual((yield* run(id, "pgrep -fc 'sleep 5[0]'")).stdout, "0\n")
      }),
    ),
  )

  through("by going silent ends a command's call with the reason", (proxy) =>
    withSandbox((id) =>
      Effect.gen(function* () {
        const silence = Effect.sync(() => {
          proxy.fate = () => "hang"
          proxy.freeze()
          setTimeout(() => {
            proxy.fate = () => "pass"
          }, 25_000)
        })
        const end = yield* striking(id, silence)
        assert.strictEqual(Result.isFailure(end) && end.failure._tag, "EngineUnreachable")
        assert.match(
          messageOf(end),
          /connection to the sandbox broke .* nothing came over it for 30 s/,
        )
        proxy.fate = () => "pass"
        // Connections that fell silent are given up one by one.
        const times = yield* Effect.retry(timesRun(id), Schedule.spaced("100 millis"))
        assert.strictEqual(times, 1)
      }),
    ),
  )

  through(
    "by going silent ends the call of a command past its timeout, and leaves its sandbox alone",
    (proxy) =>
      withSandbox((id) =>
        Effect.gen(function* () {
          const driver = yield* SandboxDriver
          yield* run(id, "sleep 1000 >/dev/null 2>&1 &")
          const command = counting("sleep 50")
          const late = yield* Effect.forkChild(
            Effect.flip(
              collectOutput(driver.exec(id, { command, timeout: Duration.seconds(3) }), 1024),
            ),
          )
          yield* timesRun(id).pipe(Effect.repeat({ until: (times) => times === 1 }))
          proxy.freeze()
          const error = yield* Fiber.join(late)
          assert.strictEqual(error._tag, "EngineUnreachable")
          // The engine may be asked over a connection that is silent as well.
          assert.match(
            error.message,
            /(nothing comes from a sandbox|the sandbox has not answered|stopped answering) .* may still be running/,
          )
          // The init gives the connection up as well, and ends what was under way on it.
          const { stdout } = yield* anew(proxy, run(id, "pgrep -fc 'sleep 100[0]'"))
          assert.strictEqual(stdout, "1\n")
          yield* anew(proxy, run(id, "pgrep -fc 'sleep 5[0]'")).pipe(
            Effect.repeat({
              schedule: Schedule.spaced("1 second"),
              until: ({ stdout }) => stdout === "0\n",
            }),
          )
        }),
      ),
  )

  through("together with its engine runs no command twice, and loses no file", () =>
    withSandbox((id) =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const kill = Effect.promise(async () => {
          await engine?.container.exec(["sh", "-c", "kill -KILL $(pidof dockerd)"])
        })
        const end = yield* striking(id, kill)
        // The engine may come back so soon that it can tell: it had killed the command.
        if (Result.isSuccess(end)) assert.strictEqual(end.success.exitCode, 137)
        else assert.match(messageOf(end), /reset|closed the connection|nothing listens/)
        yield* driver.start(id).pipe(
          Effect.retry({
            schedule: Schedule.max([Schedule.spaced("500 millis"), Schedule.recurs(20)]),
          }),
        )
        assert.strictEqual(yield* timesRun(id), 1)
      }),
    ),
  )

  through("leaves nothing on the engine after all these tests", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* leftInTheEnd, [])
    }),
  )
})
