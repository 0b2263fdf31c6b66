import { mkdtempDisposable } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Anthropic from "@anthropic-ai/sdk"
import type { PromiseSandboxes } from "@cordon/core"
import { anthropicWorkerTools } from "@cordon/slots/anthropic"
import { assert, describe } from "@effect/vitest"
import type { Call, Script } from "../frameworks/script.ts"
import { bash, edit, run, slot } from "./anthropic.ts"
import { withManagedAgent } from "./managedAgent.ts"
import { reading } from "./slot.ts"
import { engineTest, slotSuite } from "./suite.ts"

slotSuite(slot)

const failing = (call: Call): Call => ({ ...call, fails: true })
const replace = (old_str: string, text: string) =>
  edit("str_replace", "sum.sh", { old_str, new_str: "+" }, text)

describe("anthropic's tools on runc", () => {
  engineTest("work in the SDK's tool runner as Anthropic documents them", async (sandboxes) => {
    const sandbox = await sandboxes.create({ workdir: "/workspace" })
    const script = {
      turns: [
        [edit("create", "sum.sh", { file_text: "echo 1 - 2 - 3\n" }, "created successfully")],
        [
          edit("view", "sum.sh", {}, "1: echo 1 - 2 - 3"),
          edit("view", ".", {}, "sum.sh"),
          failing(edit("view", "none.sh", {}, "Error: File not found")),
        ],
        [
          failing(replace("*", "Error: No match found for replacement.")),
          failing(replace("-", "Error: Found 2 matches for replacement text.")),
        ],
        [replace("- 2 -", "Successfully replaced text at exactly one location.")],
        [edit("insert", "sum.sh", { insert_line: 0, insert_text: "#!/bin/sh\n" }, "after line 0")],
        [edit("view", "sum.sh", { view_range: [2, -1] }, "2: echo 1 + 3")],
        [bash("mkdir in && cd in && export CI=1 && twice() { echo $1 $1; }", "")],
        [bash('pwd; twice "$CI"', "/workspace/in\n1 1")],
        [failing(bash("no-such-program", "no-such-program: command not found\n[exit code 127]"))],
        [{ name: "bash", input: { restart: true }, reads: /restarted/ }],
        [bash('pwd; echo "[$CI]"', "/workspace\n[]")],
      ],
      text: "All of it works.",
    }
    const said = await run(sandbox, script, new AbortController().signal)
    assert.strictEqual(said, script.text)
  })
})

const tool = (name: string, input: Readonly<Record<string, unknown>>, text: string): Call => ({
  name,
  input,
  reads: reading(text),
})

/** A worker of the SDK's own that handles one work item. */
const work = (sandboxes: PromiseSandboxes, script: Script) =>
  withManagedAgent(script, async (baseURL) => {
    await using folder = await mkdtempDisposable(join(tmpdir(), "cordon-worker-"))
    const client = new Anthropic({ apiKey: null, baseURL, maxRetries: 0, logLevel: "off" })
    const worker = client.beta.environments.work.worker({
      tools: anthropicWorkerTools({ sandboxes, create: { workdir: "/workspace" } }),
      workdir: folder.path,
    })
    await worker.handleItem({
      workId: "work_1",
      environmentId: "environment_1",
      sessionId: "session_1",
      environmentKey: "none",
    })
  })

describe("anthropic's worker of managed agents on runc", () => {
  engineTest(
    "runs each session's tools in its own sandbox, and finds that sandbox again",
    async (sandboxes) => {
      const file_path = "src/sum.sh"
      await work(sandboxes, {
        turns: [
          [tool("write", { file_path, content: "a - b\na - c\n" }, "wrote 12 bytes to src/sum.sh")],
          [
            failing(
              tool("edit", { file_path, old_string: "-", new_string: "+" }, "appears 2 times"),
            ),
            failing(tool("edit", { file_path, old_string: "*", new_string: "+" }, "not found")),
            failing(tool("read", { file_path: "none" }, "There is no file")),
          ],
          [
            tool(
              "edit",
              { file_path, old_string: "-", new_string: "+", replace_all: true },
              "(2 replacement(s))",
            ),
          ],
          [tool("read", { file_path, view_range: [2, -1] }, "a + c")],
          [
            tool(
              "bash",
              { command: "cd src; export CI=1; mkdir node_modules; touch node_modules/x.sh" },
              "",
            ),
          ],
          [tool("bash", { command: 'pwd; echo "$CI"' }, "/workspace/src\n1")],
          [tool("glob", { pattern: "**/*.sh" }, "/workspace/src/sum.sh")],
          [{ ...tool("glob", { pattern: "*.none" }, ""), reads: /^no matches$/ }],
          [tool("grep", { pattern: "a [+] c" }, "/workspace/src/sum.sh:2:a + c")],
          [tool("grep", { pattern: "b$", path: file_path }, "/workspace/src/sum.sh:1:a + b")],
          [failing(tool("bash", { command: "sleep 600", timeout_ms: 500 }, "time limit"))],
          [tool("bash", { restart: true, command: "pwd" }, "/workspace")],
        ],
        text: "",
      })
      await work(sandboxes, { turns: [[tool("read", { file_path }, "a + b")]], text: "" })
      assert.lengthOf(await sandboxes.list(), 1)
    },
  )
})
