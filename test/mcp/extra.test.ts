import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { noEngine } from "../support/docker.ts"
import { skipped } from "../support/skipped.ts"
import { type Connection, connectStdio } from "./clients.ts"

const offering = async (
  driver: "docker" | "memory",
  extra: ReadonlyArray<string>,
  body: (connection: Connection) => Promise<void>,
) => {
  const folder = await mkdtemp(join(tmpdir(), "cordon-mcp-"))
  const connection = await connectStdio({ driver, folder }, ...extra)
  try {
    await body(connection)
  } finally {
    await connection.close()
    await rm(folder, { recursive: true })
  }
}

const ok = async ({ call }: Connection, name: string, input: object) => {
  const result = await call(name, { sandbox: "box", ...input })
  assert.isTrue(result.ok, result.text)
  return result.text
}

/** Each of the tools beside the eight, through a client that checks what comes against the schemas. */
const useAll = async (connection: Connection) => {
  await connection.call("sandbox_create", { name: "box" })
  await ok(connection, "sandbox_write_file", { path: "a.sh", content: "echo one\n", mode: "0755" })
  const edit = { path: "a.sh", old_string: "one", new_string: "two" }
  assert.match(await ok(connection, "sandbox_edit_file", edit), /^Replaced 1 place/)
  const again = await connection.call("sandbox_edit_file", { sandbox: "box", ...edit })
  assert.match(again.text, /^Error: "a.sh" was not changed: old_string is not in the file/)
  const patch = "*** Begin Patch\n*** Update File: a.sh\n@@\n echo two\n+echo three\n*** End Patch"
  await ok(connection, "sandbox_apply_patch", { patch })
  const run = await ok(connection, "sandbox_exec", { command: "stat -c %a a.sh; ./a.sh" })
  assert.strictEqual(run, "755\ntwo\nthree")
  assert.strictEqual(await ok(connection, "sandbox_glob", { pattern: "*.{sh,py}" }), "a.sh")
  const grep = { pattern: "t(wo|hree)$", include: "*.sh" }
  assert.strictEqual(
    await ok(connection, "sandbox_grep", grep),
    "a.sh:1: echo two\na.sh:2: echo three",
  )
  await ok(connection, "sandbox_exec", { command: "seq 1000 | sed s/^/line-/ > many" })
  const cut = await ok(connection, "sandbox_grep", { pattern: "line" })
  const [, path] = /200 of 1,000 lines are shown\. All of it is in (\S+): /.exec(cut) ?? []
  await ok(connection, "sandbox_process_start", { command: "echo up; exec sleep 1000", name: "p" })
  const logs = () => ok(connection, "sandbox_process_logs", { process: "p" })
  while (!(await logs()).startsWith("up\n[p: running for "));
  await ok(connection, "sandbox_process_stop", { process: "p" })
  assert.match(await ok(connection, "sandbox_ports", {}), /^Nothing listens/)
  await ok(connection, "sandbox_shell", { command: "cd /usr" })
  assert.strictEqual(await ok(connection, "sandbox_shell", { command: "pwd" }), "/usr")
  const rest = { path, start_line: 1000, end_line: 1000 }
  assert.match(await ok(connection, "sandbox_read_file", rest), /many:1000: line-1000/)
}

describe("the optional tools over MCP", () => {
  it("are offered only when enabled", () =>
    offering("memory", [], async ({ call }) => {
      const error = await call("sandbox_edit_file", {}).catch((error: unknown) => error)
      assert.match(String(error), /There is no tool "sandbox_edit_file"/)
    }))

  if (noEngine !== undefined) skipped("work on a container", noEngine)
  else {
    it("work on a container", () =>
      offering("docker", ["--extra", "edit,patch,glob,grep,processes,ports,shell"], useAll))
  }
})
