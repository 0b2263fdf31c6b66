import { execFileSync } from "node:child_process"
import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import { startScript } from "../src/sandbox/processScripts.ts"

describe("a background process of arguments", () => {
  it.each(["echo", "test", "kill", "-dash"])(
    "runs the program %s, not the shell's own",
    async (program) => {
      const folder = mkdtempSync(join(tmpdir(), "cordon-program-"))
      const name = `builtin-${process.pid}${program}`
      const home = join("/tmp", `.cordon-${process.getuid?.()}`, name)
      try {
        writeFileSync(join(folder, program), '#!/bin/sh\nprintf "program %s" "$*"\n')
        chmodSync(join(folder, program), 0o755)
        const env = { ...process.env, PATH: `${folder}:${process.env["PATH"]}` }
        const args = [
          "-c",
          startScript,
          "sh",
          name,
          "CORDON_PROCESS=x",
          "shown",
          program,
          "-n",
          "x",
        ]
        execFileSync("/bin/sh", args, { env })
        while (!existsSync(join(home, "exit"))) await new Promise(setImmediate)
        assert.strictEqual(readFileSync(join(home, "stdout"), "utf8"), "program -n x")
      } finally {
        rmSync(folder, { recursive: true })
        rmSync(home, { recursive: true, force: true })
      }
    },
  )
})
