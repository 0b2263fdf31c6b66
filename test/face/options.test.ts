import { createSandboxes, InvalidInput, type PromiseSandbox } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { afterAll, assert, beforeAll, describe, it } from "vitest"

/** Anything, as JavaScript takes it for anything. */
const js = (value: unknown): never => value as never

const refusal = async (call: () => unknown) => {
  try {
    await call()
  } catch (error) {
    assert.instanceOf(error, InvalidInput, `${error}`)
    assert.include(`${error.stack}`.split("\n    at ")[1], "options.test.ts")
    return error.message
  }
  return "taken"
}

describe("wrong input from JavaScript", () => {
  const sandboxes = createSandboxes({ driver: memory(), sessionId: "options" })
  let sandbox: PromiseSandbox
  beforeAll(async () => {
    sandbox = await sandboxes.create()
  })
  afterAll(() => sandboxes.close())

  it("is refused at once by createSandboxes, which names the valid options or the closest one", async () => {
    const driver = memory()
    for (const [options, ...told] of [
      [undefined, "but it is nothing"],
      [{}, "(driver)", "it is required"],
      [{ driver: memory }, "(driver)", "memory(), with the parentheses", "it is a function"],
      [{ driver, idleTimout: 3 }, '"idleTimout"', 'Did you mean "idleTimeout"?', "maxSandboxes"],
      [{ driver, idleTimeout: "whenever" }, "settings", "idleTimeout"],
      [{ driver, limits: { memry: 1 } }, "(limits)", 'Did you mean "memory"?'],
      [{ driver, hostQuota: { sandboxs: 1 } }, "(hostQuota)", '"sandboxes"'],
      [{ driver, sessionId: 5 }, "(sessionId)", "Expected string, but it is a number"],
      [{ driver, logger: "console" }, "(logger)", "such as console"],
      [{ driver, logLevel: "loud" }, "(logLevel)"],
      [{ driver, files: "folder" }, "(files)"],
    ] as const) {
      const message = await refusal(() => createSandboxes(js(options)))
      for (const part of told) assert.include(message, part)
    }
  })

  it("is refused by the calls of a session", async () => {
    for (const [call, ...told] of [
      [() => sandboxes.create(js({ memry: "1GiB" })), "options of create", "There are: "],
      [() => sandboxes.create(js({ limits: { memry: 1 } })), 'Did you mean "memory"?'],
      [() => sandboxes.create(js("box")), "options of create"],
      [() => sandboxes.create({ name: "Not OK!" }), "sandbox options"],
      [() => sandboxes.get(js(undefined)), "reference of get"],
      [() => sandboxes.list(js({ all: true })), "options of list"],
      [() => sandboxes.snapshots.remove(js(5)), "name of snapshots.remove"],
      [() => sandboxes.session(js(5)), "ID of a session", "Expected string"],
      [() => sandboxes.session("b", js({ removeonclose: true })), '"removeOnClose"'],
    ] as const) {
      const message = await refusal(call)
      for (const part of told) assert.include(message, part)
    }
  })

  it("is refused by the calls of a sandbox, which name it and the valid options", async () => {
    const { files, processes, ports } = sandbox
    await using shell = await sandbox.shell()
    for (const [call, ...told] of [
      [() => sandbox.exec(js(undefined)), "command of exec", "a script, or an array"],
      [() => sandbox.exec(js([])), "the command is empty"],
      [() => sandbox.exec(js(["a", 5])), "command of exec"],
      [() => sandbox.exec("true", js(null)), "options of exec", "null"],
      [() => sandbox.exec("true", js({ tiemout: 5 })), 'Did you mean "timeout"?'],
      [() => sandbox.exec("true", js({ onStdout: "log" })), "(onStdout)", "a function"],
      [() => sandbox.exec("true", js({ signal: {} })), "(signal)", "an AbortSignal"],
      [() => sandbox.exec("true", js({ cwd: 5 })), "(cwd)"],
      [() => sandbox.exec("true", js({ env: { A: 1 } })), "exec options"],
      [() => sandbox.exec("true", js({ stdin: 5 })), "(stdin)", "text, a Uint8Array"],
      [() => sandbox.run("true", js({ outputlimit: 1 })), 'Did you mean "outputLimit"?'],
      [() => files.read(js(7)), "path of files.read"],
      [() => files.write("a", js(undefined)), "content of files.write"],
      [() => files.write("a", "b", js({ mod: 1 })), 'Did you mean "mode"?'],
      [() => files.list("/", js({ recursive: true })), "There are: signal, depth, limit."],
      [() => files.search(js(/x/)), "pattern of files.search"],
      [() => files.upload(js(1), "a"), "from of files.upload"],
      [() => sandbox.git.clone(js({ url: "x" })), "url of git.clone"],
      [() => processes.start("true", js({ nmae: "x" })), "processes.start"],
      [() => ports.expose(js("80")), "port of ports.expose", "but it is a string"],
      [() => ports.connect(js("80")), "port of ports.connect", "but it is a string"],
      [() => sandbox.snapshot(js({ name: "x" })), "name of snapshot"],
      [() => sandbox.terminal(js({ colums: 3 })), "options of terminal"],
      [() => sandbox.shell(js({ cdw: "/" })), 'Did you mean "cwd"?'],
      [() => shell.exec(js(["true"])), "script of shell.exec", "Expected string"],
      [() => shell.exec("true", js({ user: "root" })), 'there is no option "user"'],
      [() => sandbox.remove(js({ force: true })), "options of remove"],
    ] as const) {
      const message = await refusal(call)
      for (const part of told) assert.include(message, part)
    }
  })

  it("is refused by streams when they are read, also a callback for execStream", async () => {
    const read = async (stream: AsyncIterable<unknown>) => {
      for await (const _ of stream);
    }
    const message = await refusal(() =>
      read(sandbox.execStream("true", js({ onStdout: () => {} }))),
    )
    assert.include(message, 'options of execStream: there is no option "onStdout"')
    assert.include(await refusal(() => read(sandbox.files.stream(js(1)))), "path of files.stream")
    assert.include(await refusal(() => read(sandbox.files.watch(".", js({ sginal: 1 })))), "signal")
  })

  it("does not include an absent or undefined option", async () => {
    const options = js({ cwd: undefined, onStdout: undefined, signal: undefined })
    assert.strictEqual((await sandbox.run("echo x", options)).stdout, "x\n")
  })
})
