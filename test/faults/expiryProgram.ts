// A program that creates two sandboxes with each runtime it is given, and goes on until it is killed.
import { readFileSync } from "node:fs"
import { createSandboxes, type PromiseSandbox, Runtime, shellWord } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { Schema } from "effect"

const [host = "", sessionId = "", image = "", attacks = "", ...runtimes] = process.argv.slice(2)

const sandboxes = createSandboxes({
  driver: docker({ host }),
  sessionId,
  image,
  network: "none",
  removeTimeout: "60 seconds",
  idleTimeout: "60 seconds",
})

// What root inside could try: to keep process 1 from ending, or to speak for a program that is gone.
const ping = String.raw`\010\000\000\000\002\000\000\000\000aaaaaaaa`
const busy = [
  "/attacks idle; /attacks nice; while :; do /attacks sigqueue blockable; /attacks tgkill blockable; done",
  "while :; do /attacks flood; done",
  `while :; do for f in /proc/1/fd/*; do printf '${ping}' >$f & done; sleep 1; done`,
  "while :; do /.cordon/init connect; sleep 0.1; done",
  "trap '' 1 2 3 15; while :; do :; done",
]
// gVisor lets code inside stop process 1 itself, which then does not end: see docs/security.md.
const stopping = (runtime: string) => [
  "while :; do /attacks stop-all; done",
  `while :; do for p in $(ls /proc); do [ $p = ${runtime === "gvisor" ? 1 : "$$"} ] || kill -STOP $p; done; done`,
]

const attack = async ({ files, exec, info }: PromiseSandbox, daemons: ReadonlyArray<string>) => {
  await files.write("/attacks", readFileSync(attacks), { mode: 0o755 })
  void exec("exec sleep 1000").catch(() => undefined)
  // Each is begun by a command that has ended: it belongs to the sandbox, not to this program.
  for (const daemon of daemons) {
    await exec(`setsid sh -c ${shellWord(daemon)} >/dev/null 2>&1 </dev/null &`, {
      timeout: "10 seconds",
    }).catch(() => undefined)
  }
  process.stdout.write(`${info.instanceId}\n`)
}

// All are there before any is attacked, which slows the machine.
const begun: Array<() => Promise<void>> = []
for (const name of runtimes) {
  const runtime = Schema.decodeUnknownSync(Runtime)(name)
  for (const daemons of [busy, stopping(runtime)]) {
    const sandbox = await sandboxes.create({ runtime })
    // A process 1 that was started anew holds to the same.
    if (daemons === busy) {
      await sandbox.stop()
      await sandbox.start()
    }
    begun.push(() => attack(sandbox, daemons))
  }
}
for (const begin of begun) await begin()
// One that may go on for longer, in which nobody attacks anything.
const extended = await sandboxes.create()
await extended.extend("1 hour")
// What is extended by less keeps the longer time.
await extended.extend("1 second")
process.stdout.write(`${extended.info.instanceId}\n`)
process.stdout.write("ready\n")
