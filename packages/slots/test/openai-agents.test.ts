import { mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Closed, createSandboxes, InvalidInput, SandboxNotFound } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import {
  type OpenaiAgentsSession,
  openaiAgentsClient,
  openaiAgentsSession,
} from "@cordon/slots/openai-agents"
import { assert, describe, it } from "@effect/vitest"
import {
  dir,
  file,
  localDir,
  localFile,
  Manifest,
  mount,
  NoopSnapshotSpec,
  SandboxUnsupportedFeatureError,
} from "@openai/agents/sandbox"
import { rejects } from "./rejects.ts"

const withSession = async (body: (session: OpenaiAgentsSession) => Promise<void>) => {
  await using sandboxes = createSandboxes({ driver: memory() })
  await body(openaiAgentsSession(await sandboxes.create()))
}

const textOf = async (session: OpenaiAgentsSession, path: string) =>
  Buffer.from(await session.readFile({ path })).toString()

describe("commands of an OpenAI Agents session", () => {
  it("return their exit code, and have the manifest's variables", () =>
    withSession(async (session) => {
      await session.applyManifest(new Manifest({ environment: { NAME: "ada" } }))
      const cmd = 'echo "$NAME"; echo no >&2; exit 3'
      const result = await session.exec({ cmd })
      assert.strictEqual(result.exitCode, 3)
      assert.strictEqual(result.stdout, "ada\n")
      assert.strictEqual(result.stderr, "no\n")
      assert.match(await session.execCommand({ cmd }), /^Process exited with code 3$/m)
    }))

  it("continue after yielding, and are ended by their number", () =>
    withSession(async (session) => {
      const { sessionId = assert.fail("it has ended") } = await session.exec({
        cmd: "sleep 600",
        yieldTimeMs: 50,
      })
      const polled = await session.writeStdin({ sessionId, yieldTimeMs: 10 })
      assert.include(polled, `Process running with session ID ${sessionId}`)
      const last = await session.writeStdin({ sessionId, chars: "\x03", yieldTimeMs: 60_000 })
      assert.match(last, /Process exited with code/)
      assert.include(await session.writeStdin({ sessionId }), "session not found")
    }))

  it("are truncated to the requested tokens, keeping head and tail", () =>
    withSession(async (session) => {
      const { output, originalTokenCount } = await session.exec({
        cmd: "seq 1 10000",
        maxOutputTokens: 20,
      })
      assert.strictEqual(originalTokenCount, Math.ceil(48894 / 4))
      assert.match(output, /^1\n2\n[\s\S]*tokens truncated[\s\S]*10000\n$/)
    }))

  it("end with a session that closes while they start, and none starts afterwards", () =>
    withSession(async (session) => {
      const starting = session.exec({ cmd: "sleep 600", yieldTimeMs: 600_000 })
      await session.close()
      assert.strictEqual((await starting).exitCode, 137)
      assert.instanceOf(await rejects(session.exec({ cmd: "true" })), Closed)
    }))

  it("end with their session", () =>
    withSession(async (session) => {
      const { sessionId = 0 } = await session.exec({ cmd: "sleep 600", yieldTimeMs: 10 })
      await session.close()
      assert.include(await session.writeStdin({ sessionId }), "session not found")
    }))
})

describe("files of an OpenAI Agents session", () => {
  it("are patched, moved and deleted by the editor", () =>
    withSession(async (session) => {
      const editor = session.createEditor()
      await editor.createFile({ type: "create_file", path: "a/b", diff: "+one\n+two\n" })
      const diff = "@@\n one\n-two\n+three\n"
      await editor.updateFile({ type: "update_file", path: "a/b", diff })
      assert.match(await textOf(session, "a/b"), /^one\nthree\n?$/)
      await editor.updateFile({ type: "update_file", path: "a/b", diff: "", moveTo: "a/c" })
      assert.isFalse(await session.pathExists("a/b"))
      assert.deepStrictEqual(await session.listDir({ path: "a" }), [
        { name: "c", path: "a/c", type: "file" },
      ])
      await editor.deleteFile({ type: "delete_file", path: "a/c" })
      assert.isTrue(await session.directoryExists("a"))
      assert.isFalse(await session.directoryExists("a/c"))
    }))

  it("are shown to a model if they are pictures", () =>
    withSession(async (session) => {
      await session.applyManifest(
        new Manifest({
          entries: {
            "p.png": file({ content: Buffer.from("\x89PNG\r\n\x1a\nrest", "latin1") }),
            "p.txt": file({ content: "no" }),
          },
        }),
      )
      const { image } = await session.viewImage({ path: "p.png" })
      assert.propertyVal(image, "mediaType", "image/png")
      const problem = async (path: string) => String(await rejects(session.viewImage({ path })))
      assert.match(await problem("p.txt"), /Unsupported image format/)
      assert.match(await problem("none"), /not found/)
      assert.match(await problem("."), /not a file/)
    }))

  it("can't be accessed as another user", () =>
    withSession(async (session) => {
      assert.instanceOf(
        await rejects(session.readFile({ path: "a", runAs: "nobody" })),
        InvalidInput,
      )
      assert.throws(() => session.createEditor("nobody"), InvalidInput)
    }))
})

describe("the manifest of an OpenAI Agents session", () => {
  it("brings files and folders, also of this machine, and no links", async () => {
    const folder = await mkdtemp(join(tmpdir(), "cordon-manifest-"))
    try {
      await mkdir(join(folder, "src"))
      await writeFile(join(folder, "src", "one"), "1")
      await withSession(async (session) => {
        const entries = {
          docs: dir({ children: { a: file({ content: "A" }) } }),
          here: localDir({ src: folder }),
          one: localFile({ src: join(folder, "src", "one") }),
        }
        await session.applyManifest(new Manifest({ entries }))
        assert.strictEqual(await textOf(session, "docs/a"), "A")
        assert.strictEqual(await textOf(session, "here/src/one"), "1")
        assert.strictEqual(await textOf(session, "one"), "1")
        assert.sameMembers(Object.keys(session.state.manifest.entries), ["docs", "here", "one"])
        await symlink("/etc/passwd", join(folder, "link"))
        const link = localFile({ src: join(folder, "link") })
        await rejects(session.materializeEntry({ path: "alone", entry: link }))
        assert.isFalse(await session.pathExists("alone"))
        await rejects(session.materializeEntry({ path: "again", entry: localDir({ src: folder }) }))
        assert.isFalse(await session.pathExists("again/link"))
      })
    } finally {
      await rm(folder, { recursive: true })
    }
  })

  it("refuses entries that a sandbox does not support", () =>
    withSession(async (session) => {
      for (const manifest of [
        new Manifest({ entries: { data: mount({ source: "/etc" }) } }),
        new Manifest({ users: ["ada"] }),
        new Manifest({ groups: [{ name: "all" }] }),
      ]) {
        assert.instanceOf(
          await rejects(session.applyManifest(manifest)),
          SandboxUnsupportedFeatureError,
        )
      }
    }))
})

describe("a client of the OpenAI Agents SDK", () => {
  it("makes, resumes and removes sandboxes, and finds none of another session", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const client = openaiAgentsClient({ sandboxes, create: { network: "none" } })
    const manifest = new Manifest({ root: "/work", entries: { a: file({ content: "A" }) } })
    const session = await client.create({ manifest })
    assert.strictEqual((await session.exec({ cmd: "pwd; cat a" })).stdout, "/work\nA")
    const kept = await client.serializeSessionState(session.state)
    const state = await client.deserializeSessionState({ ...kept, manifest: { root: "/work" } })
    const again = await client.resume(state)
    assert.strictEqual((await again.exec({ cmd: "cat a" })).stdout, "A")
    await again.close()
    await again.close()
    assert.isEmpty(await sandboxes.list())
    assert.instanceOf(await rejects(client.resume(state)), SandboxNotFound)
    await client.delete(state)
    await using others = sandboxes.session("another")
    await others.create({ name: "theirs" })
    const forged = { ...state, sandbox: "theirs" }
    assert.instanceOf(await rejects(client.resume(forged)), SandboxNotFound)
    assert.instanceOf(await rejects(client.deserializeSessionState({})), InvalidInput)
  })

  it("leaves no sandbox when its manifest fails", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const client = openaiAgentsClient({ sandboxes })
    const manifest = new Manifest({ entries: { a: localFile({ src: "/does/not/exist" }) } })
    await rejects(client.create({ manifest }))
    await rejects(client.create({ snapshot: { type: "remote" } }))
    assert.isEmpty(await sandboxes.list())
    const session = await client.create({ snapshot: new NoopSnapshotSpec() })
    assert.isTrue(await session.running())
  })

  it("opens only the ports that it was given", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const session = await openaiAgentsClient({ sandboxes, ports: [80] }).create()
    assert.instanceOf(await rejects(session.resolveExposedPort(22)), InvalidInput)
  })
})
