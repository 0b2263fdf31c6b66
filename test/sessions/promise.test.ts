import { setTimeout } from "node:timers/promises"
import {
  Closed,
  createSandboxes,
  EngineUnreachable,
  SandboxDriver,
  sessionFilesMemory,
} from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { createTools } from "@cordon/tools"
import { assert, describe, it } from "@effect/vitest"
import { Context, Effect, Layer, Stream } from "effect"

const tagOf = (call: Promise<unknown>) =>
  call.then(
    () => "none",
    (error: unknown) => (error instanceof Error && "_tag" in error ? String(error._tag) : "?"),
  )

const open = (options: Partial<Parameters<typeof createSandboxes>[0]> = {}) =>
  createSandboxes({ driver: memory(), ...options })

describe("Sessions of createSandboxes", () => {
  it("that are closed leave the sandboxes of the others alone, and the runtime open", async () => {
    await using server = open()
    const [ada, bob] = [server.session("ada"), server.session("bob")]
    const box = await bob.create({ name: "work" })
    await box.run("echo precious > file")
    {
      await using session = server.session("ada")
      await using own = await session.create({ name: "work" })
      await own.run("true")
      await session.create({ name: "forgotten" })
    }
    assert.deepStrictEqual(await ada.list(), [])
    assert.strictEqual((await box.run("cat file")).stdout, "precious\n")
    // Nor does one that was opened through another go with it.
    const nested = ada.session("carol")
    const hers = await nested.create()
    await ada.close()
    assert.strictEqual((await hers.run("echo here")).stdout, "here\n")
  })

  it("fail calls, handles and streams with Closed once closed", async () => {
    await using server = open({ removeOnClose: false })
    const session = server.session("ada")
    const box = await session.create({ name: "work" })
    const follow = box.execStream("echo hello")[Symbol.asyncIterator]()
    await Promise.all([session.close(), session.close()])
    for (const call of [
      session.list(),
      session.create(),
      session.get("work"),
      box.run("true"),
      box.files.readText("x"),
      box.inspect(),
      follow.next(),
    ]) {
      assert.strictEqual(await tagOf(call), "Closed")
    }
    assert.strictEqual((await server.session("ada").list()).length, 1)
  })

  it("opened twice with one ID each remove only the sandboxes created through them", async () => {
    await using server = open()
    const [one, two] = [server.session("ada"), server.session("ada")]
    await one.create({ name: "one" })
    await two.create({ name: "two" })
    assert.strictEqual((await one.list()).length, 2)
    await one.close()
    assert.deepStrictEqual(
      (await two.list()).map(({ name }) => String(name)),
      ["two"],
    )
  })

  it("that are never used build no driver, and close without one", async () => {
    let built = 0
    const driver = Layer.unwrap(
      Effect.sync(() => {
        built += 1
        return memory()
      }),
    )
    const server = open({ driver })
    await server.session("ada").close()
    await server.close()
    assert.strictEqual(built, 0)
  })

  it("have their own storage, and share one that is given as a layer", async () => {
    const put = async (session: ReturnType<typeof open>, text: string) => {
      const box = await session.create()
      await box.files.write("x", text)
      await box.files.download("x", "x")
      return box
    }
    await using apart = open()
    const ours = await put(apart.session("ada"), "ada's")
    const theirs = await apart.session("bob").create()
    assert.strictEqual(await tagOf(theirs.files.upload("x", "y")), "FileNotFound")
    await ours.files.upload("x", "y")
    assert.strictEqual(await ours.files.readText("y"), "ada's")

    await using shared = open({ files: sessionFilesMemory })
    await put(shared.session("ada"), "ada's")
    const other = await shared.session("bob").create()
    await other.files.upload("x", "y")
    assert.strictEqual(await other.files.readText("y"), "ada's")

    const asked: Array<string> = []
    const files = (id: string) => {
      asked.push(id)
      return sessionFilesMemory
    }
    await using each = open({ files })
    await put(each.session("ada"), "ada's")
    assert.include(asked, "ada")
  })
})

/** A driver that counts who watches it and who asks it for everything it has. */
const counting = () => {
  const counts = { built: 0, watchers: 0, lists: 0 }
  const driver = Layer.effect(
    SandboxDriver,
    Effect.gen(function* () {
      const inner = Context.get(yield* Layer.build(memory()), SandboxDriver)
      counts.built += 1
      return SandboxDriver.of({
        ...inner,
        list: (session) => {
          if (session === undefined) counts.lists += 1
          return inner.list(session)
        },
        events: Stream.unwrap(
          Effect.sync(() => {
            counts.watchers += 1
            return inner.events
          }),
        ),
      })
    }),
  )
  return { driver, counts }
}

describe("Toolsets over shared sandboxes", () => {
  it("of 300 sessions share one driver, one event stream and one reaper", async () => {
    const { driver, counts } = counting()
    await using sandboxes = createSandboxes({ driver })
    const toolsets = Array.from({ length: 300 }, (_, nth) =>
      createTools({ sandboxes, sessionId: `user-${nth}` }),
    )
    await Promise.all(toolsets.map(({ byName }) => byName.sandbox_create.execute({ name: "work" })))
    const listed = await Promise.all(toolsets.map(({ byName }) => byName.sandbox_list.execute({})))
    for (const { text } of listed) assert.match(text, /^work: running/)
    // What runs behind begins when the calls have had their turn.
    while (counts.watchers === 0 || counts.lists === 0) await setTimeout(10)
    assert.deepStrictEqual(counts, { built: 1, watchers: 1, lists: 1 })
  })

  it("can't reach each other's sandboxes, and remove only their own when closed", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const [ada, bob] = [
      createTools({ sandboxes, sessionId: "ada" }),
      createTools({ sandboxes, sessionId: "bob" }),
    ]
    await bob.byName.sandbox_create.execute({ name: "work" })
    const [box] = await bob.sandboxes.list()
    assert(box !== undefined)
    for (const sandbox of ["work", box.id, box.instanceId]) {
      const result = await ada.byName.sandbox_exec.execute({ sandbox, command: "true" })
      assert(!result.ok)
      assert.strictEqual(result.error.tag, "SandboxNotFound")
    }
    await ada.byName.sandbox_create.execute({ name: "work" })
    await ada.close()
    assert.deepStrictEqual(await sandboxes.session("ada").list(), [])
    // The program reaches what the agent made.
    const work = await bob.sandboxes.get("work")
    assert.strictEqual((await work.run("echo hi")).stdout, "hi\n")
    const refused = await ada.byName.sandbox_list.execute({})
    assert(!refused.ok)
    assert.strictEqual(refused.error.tag, "Closed")
    assert.strictEqual(await tagOf(ada.sandboxes.list()), "Closed")
  })

  it("report each session's calls separately", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const told: Array<string> = []
    const of = (sessionId: string) =>
      createTools({
        sandboxes,
        sessionId,
        onToolCall: (call) => told.push(`${sessionId}: ${call.sessionId} ${call.tool}`),
      })
    const [ada, bob] = [of("ada"), of("bob")]
    await ada.byName.sandbox_list.execute({})
    await bob.byName.sandbox_create.execute({})
    assert.deepStrictEqual(told, ["ada: ada sandbox_list", "bob: bob sandbox_create"])
  })

  it("are refused when sessions would share one storage, and for a copy of the sandboxes object", async () => {
    await using sandboxes = createSandboxes({
      driver: memory(),
      files: sessionFilesMemory,
      sessionId: "root",
    })
    assert.throws(() => createTools({ sandboxes, sessionId: "ada" }), /share one file storage/)
    assert.throws(
      () => createTools({ sandboxes: sandboxes.session("ada") }),
      /share one file storage/,
    )
    const own = createTools({ sandboxes, sessionId: "ada", files: sessionFilesMemory })
    assert.isTrue((await own.byName.sandbox_list.execute({})).ok)
    assert.isTrue((await createTools({ sandboxes }).byName.sandbox_list.execute({})).ok)
    assert.throws(
      () => createTools({ sandboxes: { ...sandboxes } }),
      /not an object that createSandboxes/,
    )
  })

  it("return Closed when the shared sandboxes are closed", async () => {
    const sandboxes = createSandboxes({ driver: memory() })
    const { byName } = createTools({ sandboxes, sessionId: "ada" })
    await byName.sandbox_create.execute({})
    await sandboxes.close()
    const result = await byName.sandbox_list.execute({})
    assert(!result.ok)
    assert.strictEqual(result.error.tag, new Closed({ subject: "" })._tag)
  })
})

describe("Tools of one sandbox", () => {
  const setUp = async (stack: AsyncDisposableStack) => {
    const sandboxes = stack.use(createSandboxes({ driver: memory() }))
    const sandbox = await sandboxes.create({ name: "mine" })
    const other = await sandboxes.create({ name: "other" })
    return { sandbox, other, toolset: createTools({ sandbox }) }
  }

  it("are those that use a sandbox, without a field that names it", async () => {
    await using stack = new AsyncDisposableStack()
    const { toolset } = await setUp(stack)
    assert.deepStrictEqual(
      toolset.tools.map(({ name }) => name),
      [
        "sandbox_exec",
        "sandbox_read_file",
        "sandbox_write_file",
        "sandbox_upload",
        "sandbox_download",
      ],
    )
    for (const { description, inputSchema } of toolset.tools) {
      assert.notInclude(description, "web-1")
      assert.notMatch(description, /sandbox_(create|list|manage)/)
      assert.notProperty(inputSchema.properties, "sandbox")
      assert.notInclude(inputSchema.required, "sandbox")
    }
  })

  it("act on that sandbox, and on no other of its session", async () => {
    await using stack = new AsyncDisposableStack()
    const { sandbox, other, toolset } = await setUp(stack)
    const { sandbox_exec, sandbox_write_file } = toolset.byName
    await sandbox_write_file.execute({ path: "/tmp/x", content: "hello" })
    assert.strictEqual((await sandbox_exec.execute({ command: "cat /tmp/x" })).text, "hello")
    assert.strictEqual(await sandbox.files.readText("/tmp/x"), "hello")
    for (const reference of ["mine", sandbox.id]) {
      const named = await sandbox_exec.execute({ sandbox: reference, command: "echo ok" })
      assert.strictEqual(named.text, "ok")
    }
    for (const reference of ["other", other.id, "", null]) {
      const result = await sandbox_exec.execute({ sandbox: reference, command: "echo ok" })
      assert(!result.ok)
      assert.match(result.text, /no such field as "sandbox"/)
    }
  })

  it("leave the sandbox running when closed, and fail then with Closed", async () => {
    await using stack = new AsyncDisposableStack()
    const { sandbox, toolset } = await setUp(stack)
    await toolset.close()
    const result = await toolset.byName.sandbox_exec.execute({ command: "true" })
    assert(!result.ok)
    assert.strictEqual(result.error.tag, "Closed")
    assert.strictEqual((await sandbox.run("echo here")).stdout, "here\n")
  })

  it("tell the model to ask its user when the sandbox is gone", async () => {
    await using stack = new AsyncDisposableStack()
    const { sandbox, toolset } = await setUp(stack)
    await sandbox.remove()
    const { text } = await toolset.byName.sandbox_exec.execute({ command: "true" })
    assert.match(text, /tell the user/)
    assert.notMatch(text, /sandbox_(create|list|manage)/)
  })
})

describe("Sessions whose driver can't be reached at first", () => {
  it("are opened by the next call after it can", async () => {
    let away = true
    const driver = Layer.unwrap(
      Effect.suspend(() =>
        away
          ? Effect.fail(new EngineUnreachable({ endpoint: "unix:///none", reason: "it is away" }))
          : Effect.succeed(memory()),
      ),
    )
    await using server = open({ driver })
    const session = server.session("ada")
    const { byName } = createTools({ sandboxes: server, sessionId: "bob" })
    assert.strictEqual(await tagOf(session.create()), "EngineUnreachable")
    assert.isFalse((await byName.sandbox_list.execute({})).ok)
    away = false
    const box = await session.create()
    assert.strictEqual((await box.run("echo back")).stdout, "back\n")
    for await (const event of box.execStream("echo streamed")) assert.property(event, "_tag")
    assert.isTrue((await byName.sandbox_list.execute({})).ok)
  })
})
