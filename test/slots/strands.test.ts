import { StrandsSandbox } from "@cordon/slots/strands"
import { assert, describe } from "@effect/vitest"
import type { Call } from "../frameworks/script.ts"
import { reading } from "./slot.ts"
import { run, shell, slot } from "./strands.ts"
import { engineTest, slotSuite } from "./suite.ts"

slotSuite(slot)

const failing = (call: Call): Call => ({ ...call, fails: true })

const edit = (command: string, input: Readonly<Record<string, unknown>>, text: string): Call => ({
  name: "sandbox_file_editor",
  input: { command, path: "/workspace/src/sum.sh", ...input },
  reads: reading(text),
})

describe("strands' tools on runc", () => {
  engineTest("are the framework's own shell and file editor", async (sandboxes) => {
    const sandbox = await sandboxes.create({ workdir: "/workspace" })
    const script = {
      turns: [
        [failing(edit("view", {}, "does not exist"))],
        [edit("create", { file_text: "echo 1 - 2 - 3\n" }, "File created successfully")],
        [failing(edit("create", { file_text: "" }, "File already exists"))],
        [failing(edit("str_replace", { old_str: "-", new_str: "+" }, "Multiple occurrences"))],
        [edit("str_replace", { old_str: "- 2 -", new_str: "+" }, "has been edited")],
        [edit("insert", { insert_line: 0, new_str: "#!/bin/sh" }, "has been edited")],
        [edit("view", { path: "/workspace" }, "src/sum.sh")],
        [shell("cat src/sum.sh; echo error >&2; exit 3", "echo 1 + 3")],
        [
          failing({
            name: "sandbox_shell",
            input: { command: "echo begun; sleep 600", timeout: 1 },
            reads: /begun/,
          }),
        ],
      ],
      text: "All of it works.",
    }
    const said = await run(sandbox, script, new AbortController().signal)
    assert.strictEqual(said, script.text)
    const { stdout } = await new StrandsSandbox(sandbox).executeCode("read line\necho read", "sh")
    assert.strictEqual(stdout, "read\n")
  })
})
