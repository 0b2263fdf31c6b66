import { SandboxDriver, Sandboxes, type SandboxSession, type SettingsInput } from "@cordon/core"
import { assert } from "@effect/vitest"
import { Context, Effect, Exit, Fiber, Layer, Scope } from "effect"
import { onLayer } from "../../support/onLayer.ts"
import { freshSessionId } from "../../support/sandbox.ts"

/** What sessions are tested on. */
export interface SessionOptions {
  readonly layer: Layer.Layer<SandboxDriver, { readonly message: string }>
  readonly image: string
  /** Why none of it can run here; undefined where it can. */
  readonly unavailable?: string | undefined
  /** Sessions that are opened at once, and how many of them get a sandbox. */
  readonly many: { readonly sessions: number; readonly sandboxes: number }
}

const names = (session: SandboxSession) =>
  Effect.map(session.list, (all) => all.map(({ name }) => String(name)).sort())

/** How it failed, if it did. */
const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
  Effect.match(effect, { onSuccess: () => "none", onFailure: ({ _tag }): string => _tag })

/** A session that is closed by hand, or with the test. */
const open = Effect.fnUntraced(function* (
  id: string,
  options?: { readonly removeOnClose?: boolean },
) {
  const scope = yield* Scope.fork(yield* Effect.scope)
  const sandboxes = yield* Sandboxes
  const session = yield* Scope.provide(sandboxes.openSession(id, options), scope)
  return { session, close: Scope.close(scope, Exit.void) }
})

/** As another program sees the session; what is left in it is removed with the test. */
const watch = Effect.fnUntraced(function* (id: string) {
  const session = yield* (yield* Sandboxes).session(id)
  yield* Effect.addFinalizer(() =>
    session.list.pipe(
      Effect.flatMap((all) => Effect.forEach(all, ({ name }) => session.get(name))),
      Effect.flatMap((all) => Effect.forEach(all, ({ remove }) => remove, { discard: true })),
      Effect.ignore,
    ),
  )
  return session
})

type Body = () => Effect.Effect<unknown, unknown, Sandboxes | SandboxDriver | Scope.Scope>

/** Sessions that share everything below them: who owns what and who sees whom, on every driver. */
export const sessionContract = (driverName: string, options: SessionOptions) => {
  const { many } = options
  const settings: SettingsInput = {
    image: options.image,
    network: "none",
    limits: { memory: "64MiB" },
  }

  /** Sandboxes of another program, as it were, that are closed by hand. */
  const others = Effect.fnUntraced(function* (more: SettingsInput = {}) {
    const driver = Layer.succeed(SandboxDriver, yield* SandboxDriver)
    const scope = yield* Scope.fork(yield* Effect.scope)
    // Else a layer that is built already would be taken for it.
    const layer = Layer.fresh(Sandboxes.layer({ ...settings, ...more }).pipe(Layer.provide(driver)))
    const sandboxes = Context.get(yield* Layer.buildWithScope(layer, scope), Sandboxes)
    return { sandboxes, close: Scope.close(scope, Exit.void) }
  })

  const tests: Record<string, Body> = {
    "an extended sandbox runs on when one that was used later is stopped for being idle":
      Effect.fnUntraced(function* () {
        const driver = yield* SandboxDriver
        const { sandboxes } = yield* others({ idleTimeout: "1 second", removeTimeout: "1 minute" })
        const session = yield* sandboxes.openSession(freshSessionId())
        const extended = yield* session.create()
        yield* extended.extend("1 hour")
        assert.strictEqual(yield* tagOf(extended.extend("61 minutes")), "InvalidInput")
        // Should it have been stopped until then, this starts it.
        yield* extended.run("true")
        const other = yield* session.create()
        yield* driver
          .inspect(other.id)
          .pipe(
            Effect.delay("100 millis"),
            Effect.repeat({ until: ({ status }) => status === "stopped" }),
          )
        assert.strictEqual((yield* driver.inspect(extended.id)).status, "running")
      }),
    "closing a session removes what was created through it and nothing else": Effect.fnUntraced(
      function* () {
        const id = freshSessionId()
        const [watcher, other] = [yield* watch(id), yield* watch(freshSessionId())]
        yield* watcher.create({ name: "elsewhere" })
        const bystander = yield* other.create({ name: "mine" })
        const [first, second] = [yield* open(id), yield* open(id)]
        yield* first.session.create({ name: "mine" })
        const theirs = yield* second.session.create({ name: "theirs" })
        // Found and not created: it stays its owner's.
        yield* first.session.get("theirs")
        yield* first.close
        assert.deepStrictEqual(yield* names(watcher), ["elsewhere", "theirs"])
        assert.strictEqual((yield* theirs.run("echo still here")).stdout, "still here\n")
        assert.strictEqual((yield* bystander.run("echo so am I")).stdout, "so am I\n")
        yield* second.close
        yield* second.close
        assert.deepStrictEqual(yield* names(watcher), ["elsewhere"])
        assert.deepStrictEqual(yield* names(other), ["mine"])
      },
    ),

    "a closed session refuses every use with Closed, and names the session": Effect.fnUntraced(
      function* () {
        const id = freshSessionId()
        yield* watch(id)
        const { session, close } = yield* open(id, { removeOnClose: false })
        const sandbox = yield* session.create({ name: "box" })
        yield* close
        const tags = yield* Effect.all([
          tagOf(session.create()),
          tagOf(session.get("box")),
          tagOf(session.list),
          tagOf(session.snapshots.list),
          tagOf(session.snapshots.remove("x")),
          tagOf(sandbox.inspect),
          tagOf(sandbox.run("true")),
          tagOf(sandbox.start),
          tagOf(sandbox.stop),
          tagOf(sandbox.remove),
          tagOf(sandbox.files.read("/etc/passwd")),
          tagOf(sandbox.files.write("x", "y")),
          tagOf(sandbox.files.list()),
          tagOf(sandbox.egress.attempts),
        ])
        assert.deepStrictEqual([...new Set(tags)], ["Closed"])
        const error = yield* Effect.flip(session.list)
        assert.include(error.message, `session "${id}"`)
      },
    ),

    "a command and a stream that run end with Closed when their session closes": Effect.fnUntraced(
      function* () {
        const { session, close } = yield* open(freshSessionId())
        const sandbox = yield* session.create()
        const command = yield* Effect.forkChild(tagOf(sandbox.run("sleep 60")))
        yield* Effect.sleep(300)
        yield* close
        const tag = yield* Fiber.join(command)
        assert.include(["Closed", "SandboxNotFound"], tag)
      },
    ),

    "closing leaves nothing of the creations that are under way": Effect.fnUntraced(function* () {
      for (const pause of [0, 40, 160]) {
        const id = freshSessionId()
        const watcher = yield* watch(id)
        const { session, close } = yield* open(id)
        const creations = yield* Effect.forkChild(
          Effect.forEach([1, 2, 3, 4], () => tagOf(session.create()), { concurrency: "unbounded" }),
        )
        yield* Effect.sleep(pause)
        yield* close
        assert.deepStrictEqual(yield* names(watcher), [], `closed after ${pause} ms`)
        for (const tag of yield* Fiber.join(creations)) assert.include(["none", "Closed"], tag)
        // Neither is a name or a place in the quotas.
        yield* (yield* watcher.create({ name: "after" })).remove
      }
    }),

    "removeOnClose of a session overrides that of its Sandboxes, both ways": Effect.fnUntraced(
      function* () {
        const id = freshSessionId()
        const watcher = yield* watch(id)
        const keeping = yield* others({ removeOnClose: false })
        const through = (options: { readonly removeOnClose?: boolean }, name: string) =>
          Effect.scoped(
            Effect.flatMap(keeping.sandboxes.openSession(id, options), (session) =>
              session.create({ name }),
            ),
          )
        yield* through({}, "default")
        yield* through({ removeOnClose: true }, "removed")
        assert.deepStrictEqual(yield* names(watcher), ["default"])
        const kept = yield* open(id, { removeOnClose: false })
        yield* kept.session.create({ name: "kept" })
        yield* kept.close
        yield* keeping.close
        assert.deepStrictEqual(yield* names(watcher), ["default", "kept"])
      },
    ),

    "closing the Sandboxes closes every session that is open": Effect.fnUntraced(function* () {
      const ids = [freshSessionId(), freshSessionId(), freshSessionId()]
      const watchers = yield* Effect.forEach(ids, watch)
      const { sandboxes, close } = yield* others()
      const sessions = yield* Effect.forEach(ids, (id) => sandboxes.openSession(id))
      yield* Effect.forEach(sessions, (session) => session.create(), { concurrency: 3 })
      const unscoped = yield* sandboxes.session(ids[0] ?? "")
      yield* unscoped.create()
      yield* close
      for (const watcher of watchers) assert.deepStrictEqual(yield* names(watcher), [])
      assert.strictEqual(yield* tagOf(unscoped.list), "Closed")
      for (const session of sessions) assert.strictEqual(yield* tagOf(session.list), "Closed")
      const late = yield* sandboxes.openSession(ids[0] ?? "")
      assert.strictEqual(yield* tagOf(late.create()), "Closed")
    }),

    "a session reaches no sandbox of another, whatever it calls it": Effect.fnUntraced(
      function* () {
        const [ada, bob] = [yield* open(freshSessionId()), yield* open(freshSessionId())]
        const box = yield* bob.session.create({ name: "work" })
        for (const reference of ["work", box.id, box.info.instanceId, `../${box.name}`]) {
          assert.strictEqual(yield* tagOf(ada.session.get(reference)), "SandboxNotFound")
        }
        assert.deepStrictEqual(yield* names(ada.session), [])
        const own = yield* ada.session.create({ name: "work" })
        assert.notStrictEqual(own.id, box.id)
        yield* ada.close
        assert.strictEqual((yield* box.run("echo mine")).stdout, "mine\n")
      },
    ),

    [`${many.sessions} sessions are opened, used and closed at once`]: Effect.fnUntraced(
      function* () {
        const run = freshSessionId()
        const ids = Array.from({ length: many.sessions }, (_, nth) => `${run}-${nth}`)
        const opened = yield* Effect.forEach(ids, (id) => open(id), { concurrency: "unbounded" })
        const told = yield* Effect.forEach(
          opened.slice(-many.sandboxes),
          ({ session }, nth) =>
            Effect.gen(function* () {
              const box = yield* session.create({ name: "work" })
              yield* box.files.write("/tmp/me", `${nth}`)
              const { stdout } = yield* box.run("cat /tmp/me")
              return [stdout, (yield* session.list).length]
            }),
          { concurrency: 16 },
        )
        assert.deepStrictEqual(
          told,
          told.map((_, nth) => [`${nth}`, 1]),
        )
        yield* Effect.forEach(opened, ({ close }) => close, { concurrency: "unbounded" })
        const watchers = yield* Effect.forEach(ids.slice(-many.sandboxes), watch)
        for (const watcher of watchers) assert.deepStrictEqual(yield* names(watcher), [])
      },
    ),
  }

  const layer = Sandboxes.layer(settings).pipe(Layer.provideMerge(options.layer))
  const { unavailable } = options
  onLayer(`sessions: ${driverName}`, layer, { unavailable, timeout: 60_000 }, (check) => {
    for (const [name, body] of Object.entries(tests)) check(name, body)
  })
}
