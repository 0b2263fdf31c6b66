import { execFile } from "node:child_process"
import { createRequire } from "node:module"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { promisify } from "node:util"
import { sandboxTools } from "@cordon/tools"
import { assert, describe, it } from "@effect/vitest"
import { serverProcess, startHttp } from "./clients.ts"

// The official inspector, as a program: it connects, checks and prints.
const manifest = createRequire(import.meta.url).resolve(
  "@modelcontextprotocol/inspector/package.json",
)
const where = { driver: "memory", folder: tmpdir() } as const

const inspect = async (target: ReadonlyArray<string>, ...options: ReadonlyArray<string>) => {
  const { bin } = createRequire(import.meta.url)(manifest)
  const program = join(dirname(manifest), bin["mcp-inspector"])
  // It hands on nothing of its own environment.
  const driver = ["-e", `CORDON_DRIVER=${where.driver}`]
  const args = [program, "--cli", ...target, "--format", "json", ...driver, ...options]
  const { stdout, stderr } = await promisify(execFile)(process.execPath, args)
  return { result: JSON.parse(stdout).result, stderr }
}

const { command, args } = serverProcess(where)

describe.each(["legacy", "modern"])("the inspector, by the %s revision of the protocol", (era) => {
  const options = ["--protocol-era", era]

  it("reads schemas that every client accepts, and the annotations of each tool", async () => {
    const list = [...options, "--method", "tools/list", "--strict"]
    const { result, stderr } = await inspect([command, ...args], ...list)
    // Here it would tell of a schema that some client can't take, or end with another code.
    assert.strictEqual(stderr, "")
    const listed: ReadonlyArray<Record<string, unknown>> = result.tools
    const created = listed.find(({ name }) => name === "sandbox_create")
    assert.match(String(created?.["description"]), /\nDefault here: .*\. At most: /)
    assert.deepStrictEqual(
      listed.map((tool) => ({
        ...tool,
        // What the operator allows is said there as well.
        description: String(tool["description"]).replace(/\nDefault here: .*$/, ""),
      })),
      Object.values(sandboxTools).map(
        ({ name, title, description, inputSchema, outputSchema, annotations }) => ({
          name,
          title,
          description,
          inputSchema,
          outputSchema,
          annotations: {
            title,
            readOnlyHint: annotations.readOnly,
            destructiveHint: annotations.destructive,
            idempotentHint: annotations.idempotent,
            openWorldHint: annotations.openWorld,
          },
        }),
      ),
    )
  })

  it("calls a tool over HTTP, and reads its structured result", async () => {
    const { url, stop } = await startHttp(where)
    try {
      const call = [...options, "--method", "tools/call", "--tool-name", "sandbox_create"]
      const { result } = await inspect([url.href], ...call, "--tool-arg", "name=seen")
      assert.strictEqual(result.structuredContent.name, "seen")
      assert.strictEqual(result.structuredContent.status, "running")
      assert.match(result.content[0].text, /^Sandbox "seen" is running/)
    } finally {
      await stop()
    }
  })
})

it("an MCP server without file storage offers no upload or download tool", async () => {
  const bare = args.filter((arg) => arg !== "--files" && arg !== where.folder)
  const { result } = await inspect([command, ...bare], "--method", "tools/list")
  const names = result.tools.map(({ name }: { readonly name: string }) => name)
  assert.notIncludeMembers(names, ["sandbox_upload"])
  assert.notIncludeMembers(names, ["sandbox_download"])
  assert.lengthOf(names, 6)
})
