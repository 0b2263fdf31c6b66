import { createSandboxes, FileNotFound, InvalidInput } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { type StrandsOptions, StrandsSandbox } from "@cordon/slots/strands"
import { assert, describe, it } from "@effect/vitest"
import {
  SandboxAbortError,
  SandboxPathNotFoundError,
  SandboxTimeoutError,
} from "@strands-agents/sdk"
import { rejects } from "./rejects.ts"

const withSandbox = async (
  body: (sandbox: StrandsSandbox) => Promise<void>,
  options?: StrandsOptions,
) => {
  await using sandboxes = createSandboxes({ driver: memory() })
  await body(new StrandsSandbox(await sandboxes.create(), options))
}

describe("a sandbox of Strands", () => {
  it("streams a command's output, and ends with its result", () =>
    withSandbox(async (sandbox) => {
      await sandbox.sandbox.files.makeDirectory("below")
      const pieces = { stdout: "", stderr: "" }
      let result: unknown
      const command = 'basename "$PWD"; echo "$NAME" >&2; exit 3'
      const options = { cwd: "below", env: { NAME: "ada" } }
      for await (const piece of sandbox.executeStreaming(command, options)) {
        if (piece.type === "streamChunk") pieces[piece.streamType] += piece.data
        else result = piece
      }
      const outputs = { stdout: "below\n", stderr: "ada\n" }
      assert.deepStrictEqual(pieces, outputs)
      assert.deepStrictEqual(result, {
        type: "executionResult",
        exitCode: 3,
        outputFiles: [],
        ...outputs,
      })
    }))

  it("keeps the head and the tail of a large output", () =>
    withSandbox(
      async (sandbox) => {
        const { stdout } = await sandbox.execute("seq 1 100000")
        assert.isBelow(stdout.length, 2000)
        assert.match(stdout, /^1\n2\n.*99999\n100000\n$/s)
      },
      { outputLimit: 1000 },
    ))

  it("runs code only with its interpreter", () =>
    withSandbox(async (sandbox) => {
      const { stdout } = await sandbox.executeCode("x=it\necho $x\\'s", "sh")
      assert.strictEqual(stdout, "it's\n")
      const unknown = await sandbox.executeCode("1", "no-such-language")
      assert.strictEqual(unknown.exitCode, 127)
      for (const language of ["sh; true", "sh -c", "/bin/sh", ""]) {
        const run = async () => await sandbox.executeCode("1", language)
        assert.instanceOf(await rejects(run()), InvalidInput)
      }
    }))

  it("throws the framework's errors when a command is killed", async () => {
    const controller = new AbortController()
    await withSandbox(
      async (sandbox) => {
        const late = await rejects(sandbox.execute("echo begun; sleep 600", { timeout: 3600 }))
        if (!(late instanceof SandboxTimeoutError)) assert.fail(String(late))
        assert.strictEqual(late.stdout, "begun\n")
        assert.match(late.stderr, /time limit/)
        const own = AbortSignal.abort(new Error("enough"))
        const aborted = await rejects(sandbox.execute("sleep 600", { signal: own }))
        assert.instanceOf(aborted, SandboxAbortError)
        const command = rejects(sandbox.execute("sleep 600"))
        controller.abort(new Error("enough"))
        assert.instanceOf(await command, SandboxAbortError)
        assert.instanceOf(await rejects(sandbox.execute("true", { timeout: -1 })), InvalidInput)
      },
      { signal: controller.signal, maxTimeout: 0.5 },
    )
  })

  it("reads, writes, lists and removes files", () =>
    withSandbox(async (sandbox) => {
      const bytes = Uint8Array.of(0xff, 0)
      await sandbox.writeFile("a/b", bytes)
      assert.deepStrictEqual(await sandbox.readFile("a/b"), bytes)
      await sandbox.execute("mkdir a/c; ln -s c a/link")
      assert.deepStrictEqual(await sandbox.listFiles("a"), [
        { name: "b", isDir: false, size: 2 },
        { name: "c", isDir: true, size: 0 },
        { name: "link" },
      ])
      for (const path of ["none", "a/b"]) {
        assert.instanceOf(await rejects(sandbox.listFiles(path)), SandboxPathNotFoundError)
      }
      await sandbox.removeFile("a/b")
      assert.instanceOf(await rejects(sandbox.removeFile("a/b")), FileNotFound)
      assert.instanceOf(await rejects(sandbox.readFile("a/b")), FileNotFound)
    }))
})
