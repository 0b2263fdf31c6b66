import { SandboxDriver, SandboxName, SessionId, sandboxId, sessionKey } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { tagOf } from "../../support/effects.ts"
import {
  archiveOf,
  at,
  type DriverStage,
  exec,
  freshName,
  out,
  read,
  session,
  write,
} from "./stage.ts"

/** How a sandbox is created and found. */
export const creationContract = ({ check, make, specOf, image, lacks }: DriverStage) =>
  describe("creation", () => {
    check("inspect and list tell a sandbox as it was asked for", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make({ env: { GREETING: "hi" } })
        const info = yield* driver.inspect(id)
        assert.strictEqual(info.id, id)
        assert.strictEqual(info.session, session)
        assert.strictEqual(info.status, "running")
        assert.strictEqual(info.image, image)
        assert.strictEqual(info.workdir, "/work")
        assert.strictEqual(info.limits.memory, 256 * 1024 ** 2)
        assert.strictEqual(info.lease.removeTimeout, 1_200_000)
        const listed = (yield* driver.list(session)).find((other) => other.id === id)
        assert.strictEqual(listed?.instanceId, info.instanceId)
        const others = yield* driver.list(sessionKey(SessionId.make("nobody")))
        assert.deepStrictEqual(others, [])
        assert.strictEqual(yield* out(id, 'echo "$GREETING"; pwd'), "hi\n/work\n")
      }),
    )

    check("a name is taken until its sandbox is removed, and then makes a new instance", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = yield* make()
        const info = yield* driver.inspect(id)
        const again = driver.create({ id, session, spec: specOf(info.name) })
        assert.strictEqual(yield* tagOf(again), "SandboxNameTaken")
        assert.strictEqual((yield* driver.inspect(id)).instanceId, info.instanceId)
        assert.strictEqual(yield* tagOf(driver.remove(id, "another")), "SandboxNotFound")
        yield* driver.remove(id, info.instanceId)
        const { instanceId } = yield* again
        assert.notStrictEqual(instanceId, info.instanceId)
        assert.strictEqual(yield* tagOf(driver.remove(id, info.instanceId)), "SandboxNotFound")
        assert.strictEqual(yield* out(id, "echo new"), "new\n")
      }),
    )

    check("one of three creations of the same name at the same time wins", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const spec = specOf(freshName())
        const id = sandboxId(session, spec.name)
        yield* Effect.addFinalizer(() => Effect.ignore(driver.remove(id)))
        const results = yield* Effect.forEach(
          [1, 2, 3],
          () => Effect.result(driver.create({ id, session, spec })),
          { concurrency: "unbounded" },
        )
        const winners = results.flatMap((result) =>
          result._tag === "Success" ? [result.success.instanceId] : [],
        )
        const losers = results.flatMap((result) =>
          result._tag === "Failure" ? [result.failure._tag] : [],
        )
        assert.deepStrictEqual(winners, [(yield* driver.inspect(id)).instanceId])
        assert.deepStrictEqual(losers, ["SandboxNameTaken", "SandboxNameTaken"])
        assert.strictEqual(yield* out(id, "echo whole"), "whole\n")
      }),
    )

    check("list shows the sandboxes of one session, oldest first", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const ids = [yield* make(), yield* make(), yield* make()] as const
        const listed = (yield* driver.list(session)).filter(({ id }) => ids.includes(id))
        assert.sameMembers(
          listed.map(({ id }) => id),
          [...ids],
        )
        // What waited in a warm pool may be older than what was asked for before it.
        const ages = listed.map(({ createdAt }) => createdAt.getTime())
        assert.deepStrictEqual(
          ages,
          ages.toSorted((a, b) => a - b),
        )
        const everybody = (yield* driver.list()).map((info) => info.id)
        for (const id of ids) assert.include(everybody, id)
        yield* driver.stop(ids[1])
        const statuses = new Map(
          (yield* driver.list(session)).map(({ id, status }) => [id, status]),
        )
        assert.deepStrictEqual(
          ids.map((id) => statuses.get(id)),
          ["running", "stopped", "running"],
        )
      }),
    )

    check("each call on a sandbox that does not exist fails with SandboxNotFound", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const id = sandboxId(session, SandboxName.make("nobody"))
        const calls: ReadonlyArray<Effect.Effect<unknown, { _tag: string }, SandboxDriver>> = [
          driver.inspect(id),
          driver.start(id),
          driver.stop(id),
          driver.remove(id),
          driver.stat(id, at("/")),
          exec(id, "true"),
          read(id, "/etc/passwd"),
          write(id, "/x", ""),
          Stream.runDrain(driver.getArchive(id, at("/tmp"))),
          driver.putArchive(id, at("/tmp"), archiveOf()),
        ]
        for (const call of calls) assert.strictEqual(yield* tagOf(call), "SandboxNotFound")
      }),
    )

    check("create refuses a runtime that the host does not offer, and makes nothing", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        const { runtimes } = yield* driver.capabilities
        const offered = runtimes.map(({ runtime }) => runtime)
        const missing = (["kata", "sysbox-runc", "gvisor"] as const).find(
          (runtime) => !offered.includes(runtime),
        )
        assert.isDefined(missing)
        const spec = specOf(SandboxName.make("no-runtime"), { runtime: missing })
        const id = sandboxId(session, spec.name)
        const error = yield* Effect.flip(driver.create({ id, session, spec }))
        assert.strictEqual(error._tag, "RuntimeUnavailable")
        assert.include(error.message, offered.join(", "))
        assert.strictEqual(yield* tagOf(driver.inspect(id)), "SandboxNotFound")
      }),
    )

    check(
      "create refuses an image that does not exist, and makes nothing",
      () =>
        Effect.gen(function* () {
          const driver = yield* SandboxDriver
          const spec = specOf(SandboxName.make("no-image"), { image: "localhost:1/no/such:1" })
          const id = sandboxId(session, spec.name)
          const error = yield* Effect.flip(driver.create({ id, session, spec }))
          assert.include(["ImageNotFound", "ImagePullFailed"], error._tag)
          assert.strictEqual(yield* tagOf(driver.inspect(id)), "SandboxNotFound")
        }),
      lacks.missingImages,
    )
  })
