import { execFileSync } from "node:child_process"
import * as fs from "node:fs"
import { afterAll, assert, describe } from "vitest"
import { check, operations, Reader } from "./operations.ts"

const { close, folder, run, start } = operations()
const children: Array<ReturnType<typeof start>> = []
afterAll(() => {
  for (const child of children) child.kill("SIGKILL")
  close()
})

const sh = (cwd: string, script: string) => execFileSync("/bin/sh", ["-ec", script], { cwd })

/** A watch and what it told so far; `sees` waits until everything was told. */
const watch = (...args: ReadonlyArray<string>) => {
  const child = start(["watch", ...args])
  children.push(child)
  const seen: Array<string> = []
  let pending = Buffer.alloc(0)
  let report = ""
  let notify = () => {}
  child.stderr.on("data", (piece: Buffer) => {
    report += piece
  })
  child.stdout.on("data", (piece: Buffer) => {
    pending = Buffer.concat([pending, piece])
    while (pending.length > 5 && pending.length >= 5 + pending.readUInt32LE(1)) {
      const reader = new Reader(pending)
      const event = reader.take(1).toString()
      const { type, path } = reader.entry()
      seen.push(path === "" ? event : `${event}${type} ${path}`)
      pending = pending.subarray(reader.at)
    }
    notify()
  })
  const ended = new Promise<string>((resolve) =>
    child.on("close", (code) => {
      resolve(`${code} ${report}`.trim())
      notify()
    }),
  )
  return {
    seen,
    ended,
    end: () => child.stdin.end(),
    forget: () => void seen.splice(0),
    sees: async (...events: ReadonlyArray<string>) => {
      while (!events.every((event) => seen.includes(event))) {
        const next = new Promise<void>((resolve) => {
          notify = resolve
        })
        await next
        if (child.exitCode !== null) throw new Error(`it ended, and told ${seen.join(", ")}`)
      }
    },
  }
}

describe("watch", () => {
  check(
    "reports existing files, then those created, changed and removed, until its input ends",
    async () => {
      const at = folder()
      sh(at, "mkdir -p before/deep; ln -s x link")
      const flat = watch(at)
      const deep = watch(`${at}/`, "1")
      await flat.sees("r")
      await deep.sees("r")
      assert.sameMembers(flat.seen, ["cd before", "cl link", "r"])
      assert.strictEqual(deep.seen.at(-1), "r")
      assert.isBelow(deep.seen.indexOf("cd before"), deep.seen.indexOf("cd before/deep"))
      sh(at, "echo 1 >new; echo 2 >before/deep/f")
      await flat.sees("cf new")
      await deep.sees("cf new", "cf before/deep/f")
      deep.forget()
      sh(at, "echo 3 >>before/deep/f; chmod 600 new")
      await deep.sees("mf before/deep/f", "mf new")
      sh(at, "mv new newer; rm -r before/deep")
      await deep.sees("df new", "cf newer", "df before/deep/f", "dd before/deep")
      sh(at, "rm newer; mkdir newer; echo >newer/in")
      await deep.sees("df newer", "cd newer", "cf newer/in")
      assert.isEmpty(flat.seen.filter((event) => event.includes("deep")))
      flat.end()
      deep.end()
      assert.deepStrictEqual([await flat.ended, await deep.ended], ["0", "0"])
    },
  )

  check("watches folders that come and go, and misses none", async () => {
    const at = folder()
    const other = folder()
    sh(other, "mkdir -p in/sub; touch in/sub/f")
    const { sees, seen, forget, end, ended } = watch(at, "1")
    await sees("r")
    sh(at, `mv ${other}/in come; mkdir -p a/b/c/d; touch a/b/c/d/e`)
    await sees("cd come", "cf come/sub/f", "cf a/b/c/d/e")
    sh(at, "mv a come/sub/moved; touch come/sub/moved/b/new")
    await sees("dd a", "cf come/sub/moved/b/c/d/e", "cf come/sub/moved/b/new")
    sh(at, `mv come ${other}/gone`)
    await sees("dd come")
    forget()
    sh(at, `touch ${other}/gone/sub/late; mkdir come; touch come/last`)
    await sees("cf come/last")
    assert.isEmpty(seen.filter((event) => event.includes("late")))
    end()
    assert.strictEqual(await ended, "0")
  })

  check("skips excluded names and temporary files", async () => {
    const at = folder()
    const { sees, seen } = watch(at, "1", "skipped", "*.log")
    await sees("r")
    sh(at, "mkdir skipped; touch skipped/x a.log .cordon-x; mv .cordon-x 'new\nline'; mv a.log b")
    await sees("cf new\nline", "cf b")
    assert.isEmpty(seen.filter((event) => /skipped|log|cordon/.test(event)))
  })

  check("starts again when its folder disappears, comes back or is replaced", async () => {
    const at = folder()
    sh(at, "mkdir -p out/sub; touch out/a")
    const { sees, seen, forget } = watch(`${at}/out`, "1")
    await sees("r")
    forget()
    sh(at, "rm -r out")
    // What went before the folder did is told of only where it was looked at in between.
    await sees("o", "r")
    forget()
    sh(at, "mkdir out; touch out/b")
    await sees("o", "cf b", "r")
    forget()
    sh(at, "mkdir other; touch other/c; mv out old; mv other out")
    await sees("o", "cf c")
    assert.isEmpty(seen.filter((event) => event.includes("b")))
    sh(at, "touch out/d")
    await sees("cf d")
  })

  check("reports everything again when the kernel lost events", async () => {
    const at = folder()
    const queue = Number(fs.readFileSync("/proc/sys/fs/inotify/max_queued_events", "utf8"))
    const child = start(["watch", at])
    children.push(child)
    await new Promise((resolve) => child.stdout.once("data", resolve))
    // It stands still while more happens than the kernel keeps.
    child.kill("SIGSTOP")
    for (let i = 0; i < queue + 10; i += 2) {
      fs.writeFileSync(`${at}/f`, "")
      fs.rmSync(`${at}/f`)
    }
    fs.writeFileSync(`${at}/last`, "")
    child.kill("SIGCONT")
    let text = ""
    for await (const piece of child.stdout) {
      text += piece.toString("latin1")
      const anew = text.indexOf("o\x31")
      if (anew !== -1 && text.indexOf("last", anew) !== -1) break
    }
    child.stdin.end()
  })

  check("fails for a path that is no folder", async () => {
    const at = folder()
    sh(at, "touch f; mkfifo pipe")
    for (const [path, error] of [
      ["f", "ENOTDIR"],
      ["pipe", "ENOTDIR"],
      ["none", "ENOENT"],
    ]) {
      assert.strictEqual((await run(["watch", `${at}/${path}`])).error, error)
    }
  })
})
