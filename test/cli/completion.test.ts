import { spawnSync } from "node:child_process"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, describe, it } from "vitest"
import { skipped } from "../support/skipped.ts"
import { needs } from "../support/skips.ts"
import { run } from "./support.ts"

// A `cordon` that knows two sandboxes stands first in the PATH: no engine is asked.
const cordon = `#!/bin/sh
[ "$*" = 'ps --names' ] && printf 'web-1\\nweb-2\\n'
`

/** Prints what zsh adds to its list of completions: it completes on a terminal only. */
const zshProgram = `
zmodload zsh/zpty
zpty shell zsh -f -i
zpty -w shell "PROMPT=; stty -echo; autoload -Uz compinit; compinit -D -u; source $1
bindkey '^I' complete-word
compadd() {
  if [[ \\\${@[1,(i)(-|--)]} == *-(O|A|D)\\\\ * ]]; then builtin compadd \\"\\$@\\"; return; fi
  typeset -a __found; builtin compadd -A __found \\"\\$@\\"; builtin compadd \\"\\$@\\"
  for one in \\$__found; do print -r -- \\"FOUND=\\$one;\\"; done
}
widget() { zle complete-word; print -r -- DONE=\\$((1+1)) }; zle -N widget; bindkey '^I' widget
print -r -- READY=\\$((1+1))"
while zpty -r shell line; do [[ $line == *READY=2* ]] && break; done
zpty -w -n shell "$2"$'\\t'
while zpty -r shell line; do print -r -- "$line"; [[ $line == *DONE=2* ]] && break; done
zpty -d shell
`

const isThere = (shell: string) => spawnSync(shell, ["-c", "exit 0"]).status === 0

let folder = ""
beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), "cordon-completion-"))
  await writeFile(join(folder, "cordon"), cordon, { mode: 0o755 })
  await writeFile(join(folder, "complete.zsh"), zshProgram)
  await writeFile(join(folder, "one-file"), "")
})
afterAll(() => rm(folder, { recursive: true }))

const scriptFor = async (shell: string) => {
  const { code, stdout, stderr } = await run(["completion", shell])
  assert.strictEqual(code, 0, stderr)
  const path = join(folder, `cordon.${shell}`)
  await writeFile(path, stdout)
  return path
}

const output = (command: string, args: ReadonlyArray<string>) => {
  const { stdout, stderr } = spawnSync(command, args, {
    encoding: "utf8",
    cwd: folder,
    env: { ...process.env, HOME: folder, PATH: `${folder}:${process.env["PATH"]}` },
    timeout: 60_000,
  })
  assert.strictEqual(stderr, "")
  return stdout
}

const inZsh = (script: string, line: string) =>
  [
    ...output("zsh", ["-f", join(folder, "complete.zsh"), script, line]).matchAll(
      /FOUND=([^;$]+);/g,
    ),
  ]
    .map(([, word = ""]) => word)
    .sort()

const inFish = (script: string, line: string) =>
  output("fish", ["--no-config", "-c", `source ${script}; complete -C '${line}'`])
    .split("\n")
    .flatMap((word) => (word === "" ? [] : [word.split("\t", 1)[0] ?? ""]))
    .sort()

for (const [shell, complete] of [
  ["zsh", inZsh],
  ["fish", inFish],
] as const) {
  const title = `completion in ${shell}`
  if (!isThere(shell)) skipped(title, needs(shell, `there is no ${shell} here`))
  else {
    describe(title, () => {
      let script = ""
      beforeAll(async () => {
        script = await scriptFor(shell)
      })
      const offers = (line: string) => complete(script, line)

      it("completion offers the commands that begin with the typed letters", () => {
        assert.deepStrictEqual(offers("cordon st"), ["start", "stats", "stop"])
        assert.deepStrictEqual(offers("cordon comp"), ["completion"])
      })

      it("completion offers the flags of a command", () => {
        assert.deepStrictEqual(offers("cordon exec --h"), ["--host"])
      })

      it("completion offers the sandbox names that cordon prints", () => {
        assert.deepStrictEqual(offers("cordon rm we"), ["web-1", "web-2"])
        assert.deepStrictEqual(offers("cordon exec we"), ["web-1", "web-2"])
      })

      it("completion offers the shells that have a script", () => {
        assert.deepStrictEqual(offers("cordon completion "), ["bash", "fish", "zsh"])
      })

      it("completion offers files to `cordon cp`", () => {
        assert.deepStrictEqual(offers("cordon cp one"), ["one-file"])
      })
    })
  }
}
