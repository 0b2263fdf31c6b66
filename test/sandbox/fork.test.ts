import { type SandboxName, type SandboxSpec, type SessionKey, SnapshotNotFound } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { capable, sessionWith } from "../support/capableDriver.ts"

/** A session whose driver has snapshots, of which only those that are there are kept in mind. */
const forking = (
  egress?: { readonly allow: ReadonlyArray<string> },
  settings: Parameters<typeof sessionWith>[1] = {},
) =>
  Effect.gen(function* () {
    const there = new Set<string>()
    const made: Array<SandboxSpec> = []
    const session = yield* sessionWith(
      (driver) => ({
        ...capable(driver),
        create: (request, onProgress) => {
          made.push(request.spec)
          return request.spec.name === "never" ? Effect.never : driver.create(request, onProgress)
        },
        snapshot: (id, name, options) =>
          Effect.map(driver.inspect(id), ({ session, name: sandbox }) => {
            there.add(`${name} ${options?.passing}`)
            const image = `cordon-snapshot:${name}`
            const taken = { name, session, sandbox, image, createdAt: new Date(), size: 1 }
            return egress === undefined ? taken : { ...taken, egress }
          }),
        removeSnapshot: (_: SessionKey, name: SandboxName) =>
          there.delete(`${name} true`)
            ? Effect.void
            : Effect.fail(new SnapshotNotFound({ snapshot: name })),
      }),
      settings,
    )
    return { session, there, made }
  })

describe("A fork", () => {
  it.live("has its source's options, as far as the policy allows", () =>
    Effect.gen(function* () {
      const egress = { allow: ["good.test"] }
      const { session, there, made } = yield* forking(egress, {
        allow: { networks: ["bridge"] },
      })
      const source = yield* session.create({
        network: "bridge",
        workdir: "/elsewhere",
        limits: { memory: "64MiB", cpus: 0.5 },
        tags: { of: "source" },
      })
      const fork = yield* source.fork({ name: "fork" })
      assert.strictEqual(fork.name, "fork")
      const [first, second] = made
      assert.isDefined(second)
      assert.match(String(second?.image), /^cordon-snapshot:fork-[0-9a-f]{16}$/)
      assert.isDefined(first)
      const { network, limits, runtime } = first
      assert.deepInclude(second, { network, limits, runtime, workdir: "/elsewhere", egress })
      assert.strictEqual(second?.tags, undefined)
      assert.deepStrictEqual(
        [...there].map((name) => name.slice(-4)),
        ["true"],
      )
    }).pipe(Effect.scoped),
  )

  it.live("leaves no snapshot when it fails or is interrupted", () =>
    Effect.gen(function* () {
      const { session, there, made } = yield* forking()
      const source = yield* session.create({ name: "source" })
      const taken = yield* Effect.flip(source.fork({ name: "source" }))
      assert.strictEqual(taken._tag, "SandboxNameTaken")
      assert.deepStrictEqual([...there], [])
      const invalid = yield* Effect.flip(source.fork({ tags: { "": "" } }))
      assert.strictEqual(invalid._tag, "InvalidInput")
      assert.deepStrictEqual([...there], [])
      const fiber = yield* Effect.forkChild(source.fork({ name: "never" }))
      while (made.length < 2) yield* Effect.sleep("5 millis")
      assert.strictEqual(there.size, 1)
      yield* Fiber.interrupt(fiber)
      assert.deepStrictEqual([...there], [])
    }).pipe(Effect.scoped),
  )

  it.live("is refused when the driver has no snapshots", () =>
    Effect.gen(function* () {
      const session = yield* sessionWith(() => ({}))
      const error = yield* Effect.flip((yield* session.create()).fork())
      assert.strictEqual(error._tag, "Unsupported")
    }).pipe(Effect.scoped),
  )
})
