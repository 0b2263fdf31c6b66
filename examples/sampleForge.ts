/** A sample forge with one repository. Its last commit is worse than its message claims. */
import { execFileSync } from "node:child_process"
import { randomBytes } from "node:crypto"
import { mkdtemp, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { PromiseSandbox } from "@cordon/core"
import { startGitServer } from "./gitServer.ts"

const sum = `# Adds up the numbers in a file, one on each line.
total=0
while read -r number; do total=$((total + number)); done <"$1"
echo "$total"
`
const inOnePass = `# Adds up the numbers in a file, one on each line.
tail -n +2 "$1" | awk '{ total += $1 } END { print total + 0 }'
`
const test = `printf '4\\n3\\n2\\n1\\n' >numbers
got=$(sh sum.sh numbers)
[ "$got" = 10 ] || { echo "wanted 10, got $got"; exit 1; }
`

export const startSampleForge = async () => {
  const folder = await mkdtemp(join(tmpdir(), "cordon-forge-"))
  const git = (...args: ReadonlyArray<string>) =>
    execFileSync("git", ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", ...args], {
      cwd: join(folder, "work"),
    })
  const commit = async (message: string, files: Readonly<Record<string, string>>) => {
    for (const [name, text] of Object.entries(files)) {
      await writeFile(join(folder, "work", name), text)
    }
    git("add", "-A")
    git("commit", "-q", "-m", message)
  }
  execFileSync("git", ["init", "-q", join(folder, "work")])
  await commit("Add a sum and its test", { "sum.sh": sum, "test.sh": test })
  await commit("Sum in one pass", { "sum.sh": inOnePass })
  git("clone", "-q", "--bare", ".", join(folder, "private/sum.git"))
  const token = randomBytes(16).toString("hex")
  const server = await startGitServer({ root: folder, username: "x-access-token", password: token })
  return {
    token,
    /** The URL for the sandbox, which reaches this machine by its network's gateway (on Linux). */
    urlFor: async (sandbox: PromiseSandbox) => {
      const { stdout } = await sandbox.run("cat /proc/net/route")
      const gateway = /^\S+\t00000000\t([0-9A-F]{8})\t/m.exec(stdout)?.[1] ?? ""
      const address = [...Buffer.from(gateway, "hex")].reverse().join(".")
      return `http://${address}:${server.port}/private/sum.git`
    },
    [Symbol.asyncDispose]: async () => {
      await server.close()
      await rm(folder, { recursive: true })
    },
  }
}
