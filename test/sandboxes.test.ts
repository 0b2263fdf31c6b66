import {
  createSandboxes,
  SandboxDriver,
  Sandboxes,
  SessionFiles,
  StorageFailed,
  sessionFilesMemory,
  type TransferProgress,
} from "@cordon/core"
import * as memory from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Fiber, Layer, Stream } from "effect"

const withSandboxes = <A, E, R>(
  settings: Parameters<typeof Sandboxes.layer>[0],
  effect: Effect.Effect<A, E, R | Sandboxes | SandboxDriver>,
) =>
  effect.pipe(
    Effect.provide(Sandboxes.layer(settings).pipe(Layer.provideMerge(memory.layer()))),
    Effect.scoped,
  )

describe("Sandboxes", () => {
  it.live("enforce the quota of a session, also for concurrent creations", () =>
    withSandboxes(
      { maxSandboxes: 3 },
      Effect.gen(function* () {
        const sandboxes = yield* Sandboxes
        const session = yield* sandboxes.session("a")
        const results = yield* Effect.forEach(
          [1, 2, 3, 4, 5, 6],
          () => Effect.result(session.create()),
          { concurrency: "unbounded" },
        )
        assert.strictEqual(results.filter((result) => result._tag === "Success").length, 3)
        const error = yield* Effect.flip(session.create())
        assert.strictEqual(error._tag, "QuotaExceeded")
        // Another session has a quota of its own, and a removal gives a place back.
        yield* (yield* sandboxes.session("b")).create()
        const [first] = yield* session.list
        yield* (yield* session.get(first?.name ?? "")).remove
        yield* session.create()
      }),
    ),
  )

  it.live(
    "apply the allow-list to networks with internet access, and refuse one on other networks",
    () =>
      Effect.gen(function* () {
        const driver = Context.get(yield* Layer.build(memory.layer()), SandboxDriver)
        const asked: Array<ReadonlyArray<string> | undefined> = []
        const watched = (features: ReadonlyArray<"egress">) =>
          Layer.succeed(SandboxDriver, {
            ...driver,
            capabilities: Effect.map(driver.capabilities, (all) => ({ ...all, features })),
            create: (request) => {
              asked.push(request.spec.egress?.allow)
              return driver.create(request)
            },
          })
        const session = (features: ReadonlyArray<"egress">) =>
          Layer.build(
            Layer.fresh(
              Sandboxes.layer({ egress: { allow: ["pypi.org"] } }).pipe(
                Layer.provide(watched(features)),
              ),
            ),
          ).pipe(Effect.flatMap((services) => Context.get(services, Sandboxes).session("a")))
        const able = yield* session(["egress"])
        yield* able.create({ name: "default" })
        yield* able.create({ name: "own", egress: { allow: [] } })
        yield* able.create({ name: "internal", network: "internal" })
        assert.deepStrictEqual(asked, [["pypi.org"], [], undefined])
        const egress = { allow: ["pypi.org"] }
        const pointless = yield* Effect.flip(able.create({ network: "none", egress }))
        assert.strictEqual(pointless._tag, "InvalidInput")
        assert.match(pointless.message, /egress: it needs the network "bridge"/)
        const wrong = yield* Effect.flip(able.create({ egress: { allow: ["10.0.0.1"] } }))
        assert.match(wrong.message, /a lower-case domain name/)
        const unable = yield* session([])
        assert.strictEqual((yield* Effect.flip(unable.create()))._tag, "Unsupported")
        assert.strictEqual(asked.length, 3)
      }).pipe(Effect.scoped),
  )

  it.live("keep the sum of the limits within the quotas of session and host", () =>
    withSandboxes(
      {
        limits: { memory: "64MiB", cpus: 0.1, disk: "1GiB" },
        allow: { limits: { memory: "256MiB" } },
        sessionQuota: { memory: "256MiB", disk: "3GiB" },
        hostQuota: { cpus: 0.5, sandboxes: 9 },
      },
      Effect.gen(function* () {
        const sandboxes = yield* Sandboxes
        const session = yield* sandboxes.session("a")
        const refused = (options: Parameters<typeof session.create>[0]) =>
          Effect.map(Effect.flip(session.create(options)), (error) => {
            assert(error._tag === "QuotaExceeded", error._tag)
            return error.message
          })
        const first = yield* session.create({ limits: { memory: "200MiB" } })
        assert.match(yield* refused({}), /268435456 bytes of memory for sandboxes of a session/)
        // A stopped one keeps its place: its next use must not fail for want of one.
        yield* first.stop
        assert.match(yield* refused({}), /memory/)
        yield* first.remove
        yield* Effect.forEach([1, 2, 3], () => session.create())
        assert.match(yield* refused({}), /3221225472 bytes of disk space/)
        const other = yield* sandboxes.session("b")
        yield* Effect.forEach([1, 2], () => other.create())
        const error = yield* Effect.flip(other.create())
        assert.match(error.message, /limit of 0.5 CPU cores for sandboxes of a host/)
      }),
    ),
  )

  it.live("require a limit of disk space when there is a quota of it", () =>
    withSandboxes(
      { hostQuota: { disk: "3GiB" } },
      Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session("a")
        const error = yield* Effect.flip(session.create())
        assert.strictEqual(error._tag, "InvalidLimits")
        assert.match(error.message, /Limit disk is missing, but must be a size/)
        yield* session.create({ limits: { disk: "2GiB" } })
      }),
    ),
  )

  it.live("remove the sandboxes they created when they close, and no others", () =>
    Effect.gen(function* () {
      const driver = Context.get(yield* Layer.build(memory.layer()), SandboxDriver)
      const shared = Layer.succeed(SandboxDriver, driver)
      const make = (removeOnClose: boolean, name: string) =>
        Effect.gen(function* () {
          const session = yield* (yield* Sandboxes).session("a")
          yield* session.create({ name })
        }).pipe(
          Effect.provide(Sandboxes.layer({ removeOnClose }).pipe(Layer.provide(shared))),
          Effect.scoped,
        )
      yield* make(false, "kept")
      yield* make(true, "removed")
      assert.deepStrictEqual(
        (yield* driver.list()).map((info) => String(info.name)),
        ["kept"],
      )
    }).pipe(Effect.scoped),
  )

  it.live("remove a scoped sandbox on success, failure and interruption", () =>
    withSandboxes(
      {},
      Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session("a")
        for (const end of [Effect.void, Effect.fail("no"), Effect.interrupt]) {
          yield* Effect.exit(Effect.scoped(Effect.andThen(Sandboxes.scoped(session), end)))
          assert.deepStrictEqual(yield* session.list, [])
        }
      }),
    ),
  )

  it.live("refuse invalid options before anything is created", () =>
    withSandboxes(
      {},
      Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session("a")
        const tag = (options: Parameters<typeof session.create>[0]) =>
          Effect.map(Effect.flip(session.create(options)), (error) => error._tag)
        assert.strictEqual(yield* tag({ name: "No Such" }), "InvalidInput")
        assert.strictEqual(yield* tag({ image: "-v" }), "InvalidInput")
        assert.strictEqual(yield* tag({ env: { "A=B": "x" } }), "InvalidInput")
        assert.strictEqual(yield* tag({ workdir: "relative" }), "InvalidInput")
        assert.strictEqual(yield* tag({ limits: { memory: 0 } }), "InvalidLimits")
        assert.strictEqual(yield* tag({ limits: { memory: "1 light year" } }), "InvalidLimits")
        assert.strictEqual(yield* tag({ runtime: "kata" }), "RuntimeUnavailable")
        assert.deepStrictEqual(yield* session.list, [])
        assert.strictEqual(
          (yield* Effect.flip((yield* Sandboxes).session("")))._tag,
          "InvalidInput",
        )
      }),
    ),
  )

  it.live("refuse invalid settings by name", () =>
    Effect.gen(function* () {
      const tag = (settings: Parameters<typeof Sandboxes.layer>[0]) =>
        Effect.flip(
          Effect.scoped(Layer.build(Layer.provide(Sandboxes.layer(settings), memory.layer()))),
        )
      const error = yield* tag({ idleTimeout: "2 hours", removeTimeout: "1 hour" })
      assert.strictEqual(error._tag, "InvalidInput")
      assert.match(error.message, /idleTimeout/)
      assert.strictEqual((yield* tag({ limits: { pids: 0 } }))._tag, "InvalidLimits")
      assert.match((yield* tag({ outputLimit: -1 })).message, /outputLimit/)
      const quota = yield* tag({ hostQuota: { memory: "a lot" } })
      assert.match(quota.message, /hostQuota[\s\S]*memory/)
    }),
  )
})

describe("createSandboxes", () => {
  const open = () => createSandboxes({ driver: memory.memory(), files: sessionFilesMemory })

  it("works without Effect", async () => {
    await using sandboxes = open()
    {
      await using sandbox = await sandboxes.create({ name: "box" })
      assert.strictEqual((await sandbox.run("echo hello | tr a-z A-Z")).stdout, "HELLO\n")
      await sandbox.files.write("dir/a.txt", "text")
      assert.strictEqual(await sandbox.files.readText("dir/a.txt"), "text")
      const { files } = await sandbox.files.download("dir", "out")
      assert.strictEqual(files, 1)
      let told = 0
      const onProgress = ({ bytes }: TransferProgress) => {
        told = bytes
      }
      const up = await sandbox.files.upload("out/a.txt", "/tmp/b.txt", { onProgress })
      assert.deepStrictEqual([up.bytes, told], [4, 4])
      assert.strictEqual((await sandbox.exec("cat", { stdin: "in" })).stdout, "in")
      const seen: Array<string> = []
      for await (const event of sandbox.execStream("echo out; exit 4")) {
        seen.push(
          event._tag === "Exit" ? `exit ${event.exitCode}` : Buffer.from(event.bytes).toString(),
        )
      }
      assert.deepStrictEqual(seen, ["out\n", "exit 4"])
      assert.strictEqual((await sandboxes.list()).length, 1)
    }
    assert.strictEqual((await sandboxes.list()).length, 0)
  })

  it("rejects with the tagged error", async () => {
    await using sandboxes = open()
    const error = await sandboxes.get("nobody").catch((error: unknown) => error)
    assert.instanceOf(error, Error)
    assert.propertyVal(error, "_tag", "SandboxNotFound")
    await using sandbox = await sandboxes.create()
    const failed = await sandbox.run("echo why >&2; exit 7").catch((error: unknown) => error)
    assert.propertyVal(failed, "_tag", "CommandFailed")
    assert.propertyVal(failed, "exitCode", 7)
    assert.propertyVal(failed, "message", "The command ended with exit code 7: why")
  })

  it("ends a call when its signal is aborted", async () => {
    await using sandboxes = open()
    await using sandbox = await sandboxes.create()
    const controller = new AbortController()
    const running = sandbox.exec("sleep 1000", { signal: controller.signal })
    setTimeout(() => controller.abort(new Error("enough")), 50)
    const error = await running.catch((error: unknown) => error)
    assert.propertyVal(error, "message", "enough")
    assert.strictEqual((await sandbox.exec("echo on")).stdout, "on\n")
  })

  it("watches until the loop is left or the signal aborted", async () => {
    await using sandboxes = open()
    await using sandbox = await sandboxes.create()
    await sandbox.files.write("there", "")
    const seen: Array<string> = []
    for await (const event of sandbox.files.watch(".", { interval: 100 })) {
      if (event._tag === "Ready") {
        seen.push(...event.entries.map(({ name }) => name))
        await sandbox.files.write("new", "")
      } else {
        seen.push(event._tag, event.entry.name)
        break
      }
    }
    assert.deepStrictEqual(seen, ["there", "Created", "new"])
    const controller = new AbortController()
    const watch = async (signal: AbortSignal) => {
      for await (const _ of sandbox.files.watch(".", { signal })) {
        // Nothing changes any more: only the signal can end it.
        controller.abort(new Error("enough"))
      }
    }
    for (const signal of [controller.signal, AbortSignal.abort(new Error("enough"))]) {
      const error = await watch(signal).catch((error: unknown) => error)
      assert.propertyVal(error, "message", "enough")
    }
    const refused = await sandbox.files.watch("none")[Symbol.asyncIterator]().next().catch(String)
    assert.match(String(refused), /There is no file at/)
    const cloned = await sandbox.git.clone("https://example.com/p").catch(String)
    assert.match(String(cloned), /memory driver does not support git/)
  })

  it("isolates sessions from each other", async () => {
    await using a = open()
    const b = a.session("another")
    await using sandbox = await a.create({ name: "box" })
    assert.strictEqual((await b.list()).length, 0)
    for (const reference of ["box", sandbox.id, sandbox.info.instanceId, "../box"]) {
      const error = await b.get(reference).catch((error: unknown) => error)
      assert.propertyVal(error, "_tag", "SandboxNotFound")
    }
    await using own = await b.create({ name: "box" })
    assert.notStrictEqual(own.id, sandbox.id)
  })

  it("rejects with the error that a content source threw", async () => {
    await using sandboxes = open()
    await using sandbox = await sandboxes.create()
    const broken = async function* () {
      yield new Uint8Array([1])
      await Promise.resolve()
      throw new Error("source broke")
    }
    const error = await sandbox.files.write("x", broken()).catch((error: unknown) => error)
    assert.propertyVal(error, "message", "source broke")
    const missing = await sandbox.files.stat("x").catch((error: unknown) => error)
    assert.propertyVal(missing, "_tag", "FileNotFound")
  })
})

describe("interruption", () => {
  it.live("of a command ends its stream and leaves the sandbox usable", () =>
    withSandboxes(
      {},
      Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session("a")
        const sandbox = yield* session.create()
        const fiber = yield* Effect.forkChild(
          sandbox.execStream("sleep 1000").pipe(Stream.runDrain),
        )
        yield* Effect.sleep("50 millis")
        yield* Fiber.interrupt(fiber)
        assert.strictEqual((yield* sandbox.run("echo on")).stdout, "on\n")
      }),
    ),
  )
})

describe("transfers", () => {
  it.live("report progress, and carry many small files in order", () =>
    withSandboxes(
      {},
      Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session("a")
        const sandbox = yield* session.create()
        const files = yield* SessionFiles
        const text = (n: number) => `file ${n}\n`.repeat(n)
        yield* Effect.forEach(Array.from({ length: 300 }).keys(), (n) =>
          files.write(`in/${n % 7}/${n}`, Stream.succeed(new TextEncoder().encode(text(n)))),
        )
        const seen: Array<TransferProgress> = []
        const onProgress = (progress: TransferProgress) =>
          Effect.sync(() => void seen.push(progress))
        const up = yield* sandbox.files.upload("in", "in", onProgress)
        assert.deepInclude(seen.at(-1), { bytes: up.bytes, files: 300 })
        const down = yield* sandbox.files.download("in", "out", onProgress)
        assert.deepInclude(seen.at(-1), { bytes: up.bytes, files: 300 })
        assert.strictEqual(down.bytes, up.bytes)
        for (let n = 0; n < 300; n++) {
          const chunks = yield* Stream.runCollect(files.read(`out/${n % 7}/${n}`))
          assert.strictEqual(Buffer.concat(chunks).toString(), text(n))
        }
        yield* sandbox.files.upload("in/1/8", "one", onProgress)
        const last = seen.at(-1)
        assert.deepInclude(last, { bytes: text(8).length, total: text(8).length, files: 1 })
        assert.isAbove(last?.rate ?? 0, 0)
      }).pipe(Effect.provide(sessionFilesMemory)),
    ),
  )

  it.live("stop at the first file that can't be written", () =>
    withSandboxes(
      {},
      Effect.gen(function* () {
        const session = yield* (yield* Sandboxes).session("a")
        const sandbox = yield* session.create()
        yield* sandbox.run("mkdir -p many && for n in $(seq 1 50); do echo $n > many/$n; done")
        const files = yield* SessionFiles
        const full = SessionFiles.of({
          ...files,
          write: (path, content, mode) =>
            path.endsWith("/30")
              ? Effect.fail(new StorageFailed({ path, reason: "no space is left" }))
              : files.write(path, content, mode),
        })
        const error = yield* Effect.flip(
          Effect.provideService(sandbox.files.download("many", "out"), SessionFiles, full),
        )
        assert.strictEqual(error._tag, "StorageFailed")
      }).pipe(Effect.provide(sessionFilesMemory)),
    ),
  )
})
