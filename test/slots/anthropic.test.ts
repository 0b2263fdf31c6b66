import { assert, describe } from "@effect/vitest"
import type { Call } from "../frameworks/script.ts"
import { bash, edit, run, slot } from "./anthropic.ts"
import { engineTest, slotSuite } from "./suite.ts"

slotSuite(slot)

const failing = (call: Call): Call => ({ ...call, fails: true })
const replace = (old_str: string, text: string) =>
  edit("str_replace", "sum.sh", { old_str, new_str: "+" }, text)

describe("anthropic, its tools on runc", () => {
  engineTest("are used by the SDK's tool runner as Anthropic documents them", async (sandboxes) => {
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
