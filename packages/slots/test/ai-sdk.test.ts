import { buffer, text } from "node:stream/consumers"
import { createSandboxes, NotAFile } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { aiSdkSandbox } from "@cordon/slots/ai-sdk"
import { assert, describe, it } from "@effect/vitest"
import { rejects } from "./rejects.ts"

const withSession = async (
  body: (session: ReturnType<typeof aiSdkSandbox>) => Promise<void>,
): Promise<void> => {
  await using sandboxes = createSandboxes({ driver: memory() })
  await body(aiSdkSandbox(await sandboxes.create()))
}

const streamed = (...pieces: ReadonlyArray<string>) =>
  ReadableStream.from(pieces.map((piece) => new TextEncoder().encode(piece)))

describe("files of an AI SDK session", () => {
  it("are null when missing", () =>
    withSession(async (session) => {
      const path = "nothing/here"
      assert.isNull(await session.readFile({ path }))
      assert.isNull(await session.readBinaryFile({ path }))
      assert.isNull(await session.readTextFile({ path }))
      assert.isNull(await session.stat({ path }))
      assert.isNull(await session.listDirectory({ path }))
      assert.isFalse(await session.deleteFile({ path }))
    }))

  it("are written and read as text, bytes and streams", () =>
    withSession(async (session) => {
      await session.writeFile({ path: "a/stream", content: streamed("one\n", "two\n") })
      const stream = await session.readFile({ path: "a/stream" })
      assert.strictEqual(await text(stream ?? assert.fail()), "one\ntwo\n")
      await session.writeBinaryFile({ path: "a/bytes", content: Uint8Array.of(0xff, 0) })
      assert.deepStrictEqual(
        await session.readBinaryFile({ path: "a/bytes" }),
        Uint8Array.of(0xff, 0),
      )
      await session.writeTextFile({ path: "a/text", content: "é", encoding: "latin1" })
      assert.strictEqual(await session.readTextFile({ path: "a/text", encoding: "latin1" }), "é")
      const unknown = session.readTextFile({ path: "a/text", encoding: "klingon" })
      assert.match(String(await rejects(unknown)), /klingon/)
    }))

  it("are read by lines, also past their end", () =>
    withSession(async (session) => {
      await session.writeTextFile({ path: "lines", content: "1\r\n2\r\n3" })
      const lines = (startLine?: number, endLine?: number) =>
        session.readTextFile({
          path: "lines",
          ...(startLine === undefined ? {} : { startLine }),
          ...(endLine === undefined ? {} : { endLine }),
        })
      assert.strictEqual(await lines(2), "2\r\n3")
      assert.strictEqual(await lines(2, 2), "2")
      assert.strictEqual(await lines(undefined, 9), "1\r\n2\r\n3")
      assert.strictEqual(await lines(7), "")
    }))

  it("are listed and deleted: links as links, folders not at all", () =>
    withSession(async (session) => {
      await session.run({ command: "mkdir full empty; touch full/file; ln -s full link" })
      const entries = (await session.listDirectory({ path: "." })) ?? []
      assert.sameDeepMembers(entries, [
        { name: "empty", type: "directory" },
        { name: "full", type: "directory" },
        { name: "link", type: "symlink" },
      ])
      assert.strictEqual((await session.stat({ path: "link" }))?.type, "directory")
      for (const path of ["full", "empty", "empty/", "."]) {
        assert.instanceOf(await rejects(session.deleteFile({ path })), NotAFile)
      }
      assert.isTrue(await session.deleteFile({ path: "link" }))
      assert.strictEqual((await session.stat({ path: "full/file" }))?.type, "file")
      await rejects(session.listDirectory({ path: "full/file" }))
      assert.isTrue(await session.deleteFile({ path: "full/file" }))
    }))

  it("are unchanged after a cancelled stream", () =>
    withSession(async (session) => {
      await session.writeTextFile({ path: "big", content: "x".repeat(1 << 20) })
      const stream = await session.readFile({ path: "big" })
      await stream?.cancel()
      assert.strictEqual((await session.stat({ path: "big" }))?.size, 1 << 20)
    }))
})

describe("commands of an AI SDK session", () => {
  it("run in a folder, with variables", () =>
    withSession(async (session) => {
      await session.run({ command: "mkdir below" })
      const { stdout, exitCode } = await session.run({
        command: 'basename "$PWD"; echo "$NAME"; exit 3',
        workingDirectory: "below",
        env: { NAME: "ada" },
      })
      assert.deepStrictEqual([stdout, exitCode], ["below\nada\n", 3])
    }))

  it("report that they were killed at their time limit", async () => {
    await using sandboxes = createSandboxes({ driver: memory(), execTimeout: 200 })
    const session = aiSdkSandbox(await sandboxes.create())
    const late = await session.run({ command: "sleep 60" })
    assert.match(late.stderr, /time limit/)
    assert.notStrictEqual(late.exitCode, 0)
  })

  it("stream both outputs, take input, and end with their code", () =>
    withSession(async (session) => {
      const process = await session.spawn({
        command: "while read line; do echo got $line; done; echo end >&2; exit 4",
        stdin: true,
      })
      const writer = process.stdin.getWriter()
      await writer.write(new TextEncoder().encode("one\ntwo\n"))
      await writer.close()
      const [out, error, { exitCode }] = await Promise.all([
        text(process.stdout),
        text(process.stderr),
        process.wait(),
      ])
      assert.deepStrictEqual([out, error, exitCode], ["got one\ngot two\n", "end\n", 4])
    }))

  it("lose nothing of a large output that is read slowly, whatever happens to the other output", () =>
    withSession(async (session) => {
      const process = await session.spawn({ command: "seq 1 400000; echo x >&2" })
      await process.stderr.cancel()
      const { length } = await buffer(process.stdout)
      assert.strictEqual(length, 2688895)
      assert.deepStrictEqual(await process.wait(), { exitCode: 0 })
    }))

  it("end when killed, also repeatedly", () =>
    withSession(async (session) => {
      const process = await session.spawn({ command: "sleep 600" })
      await process.kill()
      await process.kill()
      assert.notStrictEqual((await process.wait()).exitCode, 0)
      assert.isFalse("stdin" in process)
    }))

  it("reject with the reason of their aborted signal", () =>
    withSession(async (session) => {
      const controller = new AbortController()
      const { signal } = controller
      const process = await session.spawn({ command: "sleep 600", abortSignal: signal })
      const reason = new Error("enough")
      controller.abort(reason)
      assert.strictEqual(await rejects(process.wait()), reason)
      assert.strictEqual(await rejects(text(process.stdout)), reason)
      const late = session.spawn({ command: "true", abortSignal: signal })
      assert.strictEqual(await rejects(late), reason)
    }))
})
