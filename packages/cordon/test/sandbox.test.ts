import {
  backingOfSandbox,
  Closed,
  InvalidInput,
  SandboxDriver,
  SandboxNameTaken,
  SandboxNotFound,
  Unsupported,
} from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { Sandbox } from "cordon"
import { Effect, Layer } from "effect"

/** Anything, as JavaScript takes it for anything. */
const js = (value: unknown): never => value as never

const rejection = (call: () => Promise<unknown>): Promise<unknown> =>
  call().then(
    () => "resolved",
    (error: unknown) => error,
  )

const names = async (options: Parameters<typeof Sandbox.list>[0]) =>
  (await Sandbox.list(options)).map(({ name }) => name)

/** A driver that counts how often it was opened and closed. */
const counted = () => {
  const count = { opened: 0, open: 0 }
  const driver = Layer.effectDiscard(
    Effect.acquireRelease(
      Effect.sync(() => {
        count.opened += 1
        count.open += 1
      }),
      () =>
        Effect.sync(() => {
          count.open -= 1
        }),
    ),
  ).pipe(Layer.provideMerge(memory()))
  return { count, driver }
}

describe("Sandbox", () => {
  it("is made in one call, and removed at the end of its block", async () => {
    const driver = memory()
    await using other = await Sandbox.create({ driver, name: "other" })
    {
      await using box = await Sandbox.create({ driver, name: "box", env: { WHO: "you" } })
      await box.files.write("hello.sh", 'echo "hello $WHO"')
      assert.strictEqual((await box.run("sh hello.sh")).stdout, "hello you\n")
      assert.deepStrictEqual(await names({ driver }), ["other", "box"])
    }
    assert.deepStrictEqual(await names({ driver }), ["other"])
    assert.strictEqual((await other.inspect()).status, "running")
  })

  it("is found by its ID, name or address, and stays when the connected handle is closed", async () => {
    const driver = memory()
    await using box = await Sandbox.create({ driver, secrets: { TOKEN: "mine" } })
    for (const reference of [box.id, box.name, box.address]) {
      await using found = await Sandbox.connect(reference, { driver })
      assert.strictEqual(found.id, box.id)
      assert.deepStrictEqual(found.address, box.address)
    }
    const found = await Sandbox.connect(box.address, { driver })
    await found[Symbol.asyncDispose]()
    assert.instanceOf(await rejection(() => found.run("true")), Closed)
    assert.instanceOf(await rejection(() => found.kill()), Closed)
    assert.strictEqual((await box.run("echo $TOKEN")).stdout, "mine\n")
  })

  it("is started again by connect()", async () => {
    const driver = memory()
    await using box = await Sandbox.create({ driver })
    await box.files.write("kept", "kept")
    await box.stop()
    await using found = await Sandbox.connect(box.id, { driver })
    assert.strictEqual(await found.files.readText("kept"), "kept")
  })

  it("is the same for concurrent getOrCreate() calls with one name, and stays", async () => {
    const driver = memory()
    await using _held = await Sandbox.create({ driver, name: "held" })
    const options = { driver, tags: { of: "test" } }
    const boxes = await Promise.all(
      ["web", "web", "web"].map((name) => Sandbox.getOrCreate(name, options)),
    )
    assert.strictEqual(new Set(boxes.map(({ info }) => info.instanceId)).size, 1)
    for (const box of boxes) await box[Symbol.asyncDispose]()
    await using again = await Sandbox.getOrCreate("web", { driver, image: "another:1" })
    assert.strictEqual(again.info.instanceId, boxes[0]?.info.instanceId)
    assert.deepStrictEqual(again.info.tags, { of: "test" })
    assert.instanceOf(
      await rejection(() => Sandbox.create({ driver, name: "web" })),
      SandboxNameTaken,
    )
    await again.kill()
    await again.kill()
    assert.deepStrictEqual(await names({ driver }), ["held"])
  })

  it("is not found by another session by ID, name or address", async () => {
    const driver = memory()
    await using box = await Sandbox.create({ driver, name: "box", session: "ada" })
    for (const session of ["bob", undefined]) {
      const place = session === undefined ? { driver } : { driver, session }
      for (const reference of [box.id, box.name]) {
        assert.instanceOf(await rejection(() => Sandbox.connect(reference, place)), SandboxNotFound)
      }
      assert.deepStrictEqual(await names(place), [])
      await using own = await Sandbox.getOrCreate("box", place)
      assert.notStrictEqual(own.id, box.id)
      await own.kill()
    }
    const address = { session: "bob", name: box.id }
    assert.instanceOf(await rejection(() => Sandbox.connect(address, { driver })), SandboxNotFound)
    const two = await rejection(() => Sandbox.connect(box.address, { driver, session: "bob" }))
    assert.instanceOf(two, InvalidInput)
    assert.deepStrictEqual(await names({ driver, session: "ada" }), ["box"])
  })

  it("shares one connection with others, which the last one closes", async () => {
    const { count, driver } = counted()
    const place = () => ({ driver, settings: { idleTimeout: "5 minutes" as const } })
    const one = await Sandbox.create(place())
    const two = await Sandbox.create({ ...place(), session: "ada" })
    const three = await Sandbox.getOrCreate("three", place())
    await Sandbox.list(place())
    assert.deepStrictEqual(count, { opened: 1, open: 1 })
    await rejection(() => Sandbox.connect("nothing", place()))
    await one[Symbol.asyncDispose]()
    await two.kill()
    assert.strictEqual(count.open, 1)
    assert.strictEqual((await three.run("echo still")).stdout, "still\n")
    await three[Symbol.asyncDispose]()
    await three[Symbol.asyncDispose]()
    assert.deepStrictEqual(count, { opened: 1, open: 0 })
    await using _again = await Sandbox.create(place())
    assert.deepStrictEqual(count, { opened: 2, open: 1 })
    await using _other = await Sandbox.create({ driver, settings: { idleTimeout: "6 minutes" } })
    assert.deepStrictEqual(count, { opened: 3, open: 2 })
  })

  it("keeps no connection open when it can't be created", async () => {
    const { count, driver } = counted()
    await rejection(() => Sandbox.create({ driver, limits: { memory: "1 EiB" } }))
    await rejection(() => Sandbox.connect("nothing", { driver }))
    await rejection(() => Sandbox.create({ driver, session: "" }))
    assert.deepStrictEqual(count.open, 0)
    assert.isAbove(count.opened, 0)
  })

  it("is gone after remove(), and ending it again is no error", async () => {
    const { count, driver } = counted()
    const box = await Sandbox.create({ driver })
    await box.remove()
    assert.strictEqual(count.open, 0)
    await box.kill()
    await box[Symbol.asyncDispose]()
  })

  it("that another program removed can be killed and closed without an error", async () => {
    const driver = memory()
    await using _held = await Sandbox.create({ driver })
    for (const end of ["kill", "block"]) {
      const box = await Sandbox.create({ driver })
      await using other = await Sandbox.connect(box.id, { driver })
      await other.remove()
      await (end === "kill" ? box.kill() : box[Symbol.asyncDispose]())
      await box.kill()
    }
    assert.lengthOf(await Sandbox.list({ driver }), 1)
  })

  it("fails fork() with Unsupported when its driver has none, and keeps no connection open", async () => {
    const { count, driver } = counted()
    const box = await Sandbox.create({ driver })
    assert.instanceOf(await rejection(() => box.fork()), Unsupported)
    await box.kill()
    assert.strictEqual(count.open, 0)
  })

  it("is accepted by the tools and slots as a sandbox of @cordon/core", async () => {
    await using box = await Sandbox.create({ driver: memory() })
    assert.strictEqual(backingOfSandbox(box)?.sandbox.id, box.id)
  })

  it("refuses invalid input with the program's line in the stack", async () => {
    const driver = memory()
    for (const [call, ...told] of [
      [() => Sandbox.create(js({ memry: 1 })), "options of Sandbox.create", "memry"],
      [() => Sandbox.create(js(null)), "options of Sandbox.create", "null"],
      [() => Sandbox.create(js({ driver: memory })), "(driver)", "with the parentheses"],
      [() => Sandbox.create({ driver, limits: js({ memry: 1 }) }), 'Did you mean "memory"?'],
      [() => Sandbox.create({ driver, settings: js({ idleTimout: 1 }) }), '"idleTimeout"?'],
      [() => Sandbox.create({ driver, settings: js({ removeOnClose: true }) }), "removeOnClose"],
      [() => Sandbox.create({ driver, settings: { idleTimeout: js("soon") } }), "idleTimeout"],
      [() => Sandbox.create({ driver, name: "Not OK!" }), "sandbox options"],
      [() => Sandbox.create({ driver, session: "x".repeat(300) }), "session ID"],
      [() => Sandbox.connect(js(5), { driver }), "reference of Sandbox.connect"],
      [() => Sandbox.connect("a", js({ nmae: 1 })), "options of Sandbox.connect"],
      [() => Sandbox.getOrCreate(js(undefined)), "name of Sandbox.getOrCreate"],
      [() => Sandbox.getOrCreate("a", js({ name: "b" })), 'no option "name"'],
      [() => Sandbox.list(js({ all: true })), "options of Sandbox.list"],
    ] as const) {
      const error = await rejection(call)
      assert.instanceOf(error, InvalidInput, `${call}`)
      for (const part of told) assert.include(error.message, part)
      assert.include(`${error.stack}`.split("\n    at ")[1], "sandbox.test.ts", `${call}`)
    }
  })

  it("accepts a custom driver, whose errors reach the caller unchanged", async () => {
    const broken = Layer.effect(
      SandboxDriver,
      Effect.fail(new InvalidInput({ subject: "driver", issue: "it is broken" })),
    )
    const error = await rejection(() => Sandbox.create({ driver: broken }))
    assert.instanceOf(error, InvalidInput)
    assert.include(`${error.stack}`.split("\n    at ")[1], "sandbox.test.ts")
  })

  it("rejects with the reason of an aborted signal", async () => {
    const driver = memory()
    const signal = AbortSignal.abort(new Error("no longer wanted"))
    for (const call of [
      () => Sandbox.create({ driver, signal }),
      () => Sandbox.connect("a", { driver, signal }),
      () => Sandbox.getOrCreate("a", { driver, signal }),
      () => Sandbox.list({ driver, signal }),
    ]) {
      assert.strictEqual(await rejection(call), signal.reason)
    }
  })
})
