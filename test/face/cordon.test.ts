import { join } from "node:path"
import { EngineUnreachable, SandboxNotFound } from "@cordon/core"
import { type CreateOptions, Sandbox } from "cordon"
import { assert, describe, it } from "vitest"
import { image } from "../docker/support.ts"
import { noEngine, socketPath } from "../support/docker.ts"
import { runProgram } from "../support/program.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"
import { forward } from "./forward.ts"

const settings = { image, network: "none" } as const

/** Runs a program that says nothing of its engine; it has to end by itself. */
const program = (name: string, args: ReadonlyArray<string> = [], host = `unix://${socketPath}`) =>
  runProgram(join(import.meta.dirname, "programs", `${name}.ts`), args, {
    env: {
      ...process.env,
      CONTAINER_SANDBOX_DOCKER_HOST: host,
      CONTAINER_SANDBOX_IMAGE: image,
      CONTAINER_SANDBOX_NETWORK: "none",
    },
    // The time limit only ends what hangs.
    timeout: 45_000,
    killSignal: "SIGKILL",
  })

const rejection = (call: Promise<unknown>): Promise<unknown> =>
  call.then(
    () => "resolved",
    (error: unknown) => error,
  )

const idOf = async (place: CreateOptions) => (await Sandbox.list(place)).map(({ id }) => id)

describe('a program that imports only "cordon"', () => {
  it("fails without an engine, and says why", async () => {
    const { code, stderr } = await program("oneImport", [], "unix:///nonexistent.sock")
    assert.notStrictEqual(code, 0)
    assert.include(stderr, EngineUnreachable.name)
    assert.include(stderr, "oneImport.ts:4")
  })

  if (noEngine !== undefined) return skipped("docker", noEngine)

  it("makes a sandbox on the engine of its environment, and exits by itself", async () => {
    const told = { code: 0, stdout: "hello from Linux\n1\n", stderr: "" }
    assert.deepStrictEqual(await program("oneImport"), told)
  })

  it("makes a sandbox on an engine over the network", async () => {
    await using there = await forward(socketPath)
    const { code, stdout, stderr } = await program("oneImport", [], there.name)
    assert.deepStrictEqual({ code, stdout }, { code: 0, stdout: "hello from Linux\n1\n" }, stderr)
  })

  it("removes a sandbox at the end of its `await using` block, and lists the others", async () => {
    const place = { settings, session: freshSessionId() }
    await using other = await Sandbox.create(place)
    {
      await using box = await Sandbox.create({ ...place, name: "box", secrets: { TOKEN: "mine" } })
      await box.files.write("a/b", "kept")
      const { stdout } = await box.run('cat a/b; echo " $TOKEN"')
      assert.strictEqual(stdout, "kept mine\n")
      assert.deepStrictEqual(await idOf(place), [other.id, box.id])
    }
    assert.deepStrictEqual(await idOf(place), [other.id])
  })

  it("connects to a sandbox of another program of its session, which no other session can do", async () => {
    await using box = await Sandbox.create({ settings, name: "shared" })
    await box.files.write("note", "for the other program")
    const address = JSON.stringify(box.address)
    const told = { code: 0, stdout: "for the other program\n", stderr: "" }
    assert.deepStrictEqual(await program("connects", [address]), told)
    assert.strictEqual(await box.files.readText("answer"), "from the other program")
    for (const [reference, session] of [
      [box.id, freshSessionId()],
      [box.name, freshSessionId()],
    ] as const) {
      const error = await rejection(Sandbox.connect(reference, { settings, session }))
      assert.instanceOf(error, SandboxNotFound)
    }
    const byId = await program("connects", [JSON.stringify(box.id)])
    assert.notStrictEqual(byId.code, 0)
    assert.include(byId.stderr, SandboxNotFound.name)
  })

  it("gets the same lasting sandbox as a program that asks for its name at the same time", async () => {
    const place = { settings, session: freshSessionId() }
    const programs = ["one", "two"].map(() => program("getsOrCreates", [place.session, "web"]))
    const mine = [Sandbox.getOrCreate("web", place), Sandbox.getOrCreate("web", place)]
    const boxes = await Promise.all(mine)
    try {
      const wanted = boxes.map(({ info }) => info.instanceId)
      assert.strictEqual(wanted[0], wanted[1])
      for (const { code, stdout, stderr } of await Promise.all(programs)) {
        assert.deepStrictEqual({ code, stdout }, { code: 0, stdout: `${wanted[0]}\n` }, stderr)
      }
      assert.lengthOf(await Sandbox.list(place), 1)
    } finally {
      await boxes[0]?.kill()
      await boxes[1]?.kill()
    }
    assert.isEmpty(await Sandbox.list(place))
  })

  it("connects to a stopped or paused sandbox, which then runs again", async () => {
    await using box = await Sandbox.create({ settings })
    for (const still of [() => box.stop(), () => box.pause()]) {
      await still()
      await using found = await Sandbox.connect(box.address, { settings })
      assert.strictEqual((await found.run("echo again")).stdout, "again\n")
    }
  })

  it("forks a sandbox, and the fork outlives the original", async () => {
    const place = { settings, session: freshSessionId() }
    const box = await Sandbox.create({ ...place, secrets: { TOKEN: "mine" } })
    await box.files.write("kept", "as it was")
    await using fork = await box.fork({ name: "fork" })
    await box.kill()
    assert.strictEqual(await fork.files.readText("kept"), "as it was")
    assert.strictEqual((await fork.run("echo $TOKEN")).stdout, "mine\n")
    await fork.kill()
    assert.isEmpty(await Sandbox.list(place))
  })
})
