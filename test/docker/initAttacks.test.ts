// What root in a sandbox tries against process 1, with the rights that Cordon leaves it, and what comes of it.
import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { createSandboxes, type PromiseSandbox, type PromiseSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { afterAll, assert, beforeAll, describe, it } from "@effect/vitest"
import { noEngine, noGvisor } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"
import { engine, image } from "./support.ts"

type Attempt = ReadonlyArray<string>

const inProc = (names: string) => names.split(" ").map((name) => `/proc/1/${name}`)
const reads = inProc(
  "fd fd/0 fdinfo mem environ maps smaps stack syscall auxv io personality pagemap numa_maps task/1/mem",
).map((path) => ["read", path])
const links = inProc("exe root cwd fd/0 fd/10 ns/mnt ns/pid ns/user ns/net ns/cgroup ns/time").map(
  (path) => ["link", path],
)
const writes: ReadonlyArray<Attempt> = [
  ["/proc/1/mem", "x"],
  ["/proc/1/timens_offsets", "1 1 0"],
  ["/proc/1/comm", "evil"],
  ["/proc/1/timerslack_ns", "999999999"],
  ["/proc/1/setgroups", "deny"],
  ["/proc/1/uid_map", "0 0 1"],
  ["/proc/1/loginuid", "0"],
  ["/proc/1/attr/current", "x"],
  ["/proc/sys/kernel/core_pattern", "|/tmp/evil"],
  ["/proc/sys/kernel/hostname", "evil"],
  ["/proc/sys/vm/drop_caches", "1"],
  ["/proc/sysrq-trigger", "c"],
  ["/sys/fs/cgroup/pids/pids.max", "max"],
  ["/sys/fs/cgroup/pids/cgroup.procs", "0"],
  ["/sys/fs/cgroup/memory/memory.limit_in_bytes", "-1"],
  ["/sys/fs/cgroup/memory/cgroup.procs", "0"],
  ["/sys/fs/cgroup/memory/release_agent", "/tmp/evil"],
  ["/sys/fs/cgroup/cgroup.procs", "0"],
  ["/sys/fs/cgroup/memory.max", "max"],
].map((written) => ["write", ...written])
const others: ReadonlyArray<Attempt> = [
  ["chdir", "/proc/1/root"],
  ["chdir", "/proc/1/cwd"],
  ["attach"],
  ["seize"],
  ["read-memory"],
  ["write-memory"],
  ["take-descriptor"],
  ["setns"],
  ["kcmp"],
  ["move-memory"],
  ["hostname"],
  ["module"],
  ["time"],
  ["mount", "/tmp", "/.cordon"],
  ["mount-memory", "/proc"],
  ["mount-proc", "/mnt"],
  ["unmount", "/proc"],
  ["device", "/tmp/device"],
  ["limit-descriptors"],
  ["limit-memory"],
  ["limit-files"],
  ["limit-processes"],
  ["limit-signals"],
  ["limit-time"],
]

// gVisor shows of process 1 what is not its memory, and its files in /sys limit nothing: the host's cgroup does.
const allowedByGvisor = new Set([
  ...inProc("environ maps smaps auxv io").map((path) => `read ${path}`),
  ...inProc("fd/0 fd/10 ns/mnt ns/pid ns/user ns/net").map((path) => `link ${path}`),
  "write /sys/fs/cgroup/pids/cgroup.procs 0",
  "write /sys/fs/cgroup/memory/memory.limit_in_bytes -1",
  "write /sys/fs/cgroup/memory/cgroup.procs 0",
  "device /tmp/device",
])

// What the kernel lets root inside do, and does process 1 no harm.
const harmless: ReadonlyArray<Attempt> = [
  ["write", "/proc/1/oom_score_adj", "1000"],
  ["write", "/proc/1/oom_adj", "15"],
  ["write", "/proc/1/clear_refs", "1"],
  ["write", "/proc/1/coredump_filter", "255"],
  ["write", "/proc/1/autogroup", "19"],
  ["filter"],
  ["affinity"],
  ["kill-all"],
  ["stop-all"],
  ["nice"],
  ["idle"],
]

const init = "/.cordon/init"
const evil = "printf '#!/bin/sh\\ntouch /tmp/evil\\nsleep 1000\\n'"
// What may stand where the init belongs.
const replacements = {
  "another program": `cp ${init} /tmp/old; rm -f ${init}; ${evil} >${init}; chmod 755 ${init}`,
  "a link to another program": `${evil} >/tmp/other; chmod 755 /tmp/other; ln -sf /tmp/other ${init}`,
  "a hard link": `${evil} >/tmp/other; chmod 755 /tmp/other; rm -f ${init}; ln /tmp/other ${init}`,
  "a FIFO": `rm -f ${init}; mkfifo ${init}`,
  "a folder": `rm -f ${init}; mkdir -p ${init}/full`,
  "a link in place of its folder": `rm -rf /.cordon; mkdir /tmp/elsewhere; ln -s /tmp/elsewhere /.cordon`,
  "a file in place of its folder": `rm -rf /.cordon; : >/.cordon`,
  "a folder that nobody may enter": "chmod 0 /.cordon",
}

const machines = [
  { runtime: "runc", missing: noEngine, signals: "all", allowed: new Set<string>() },
  // There 9 and 19 end the sandbox.
  { runtime: "gvisor", missing: noGvisor, signals: "blockable", allowed: allowedByGvisor },
] as const

for (const { runtime, missing, signals, allowed } of machines) {
  describe(`root in a sandbox, with ${runtime},`, () => {
    const folder = mkdtempSync(join(tmpdir(), "cordon-attacks-"))
    const program = join(folder, "attacks")
    const sessionId = freshSessionId()
    const open = (): PromiseSandboxes =>
      createSandboxes({ driver: docker(), sessionId, image, runtime, network: "none" })
    let sandboxes: PromiseSandboxes | undefined
    beforeAll(() => {
      if (missing !== undefined) return
      const source = join(import.meta.dirname, "initAttacks.c")
      execFileSync("gcc", ["-O1", "-static", "-o", program, source])
      sandboxes = open()
    }, 60_000)
    afterAll(async () => {
      await sandboxes?.close()
      rmSync(folder, { recursive: true })
    })

    const test = (title: string, body: (all: PromiseSandboxes) => Promise<void>) =>
      missing === undefined
        ? it(title, async () => {
            assert.isDefined(sandboxes)
            await body(sandboxes)
          }, 180_000)
        : skipped(`${title}, with ${runtime}`, missing)

    const startOf = async ({ info }: PromiseSandbox) =>
      (await engine.getContainer(info.instanceId).inspect()).State.StartedAt

    /** A sandbox with the program in it. */
    const make = async (all: PromiseSandboxes) => {
      const sandbox = await all.create()
      await sandbox.files.write("/attacks", readFileSync(program), { mode: 0o755 })
      const started = await startOf(sandbox)
      return {
        sandbox,
        attempt: async (attempt: Attempt) =>
          (await sandbox.exec(["/attacks", ...attempt], { timeout: "20 seconds" })).stdout.trim(),
        /** It still runs commands, and was not started anew for that. */
        goesOn: async () =>
          (await sandbox.run("echo on", { timeout: "20 seconds" })).stdout === "on\n" &&
          (await startOf(sandbox)) === started,
      }
    }

    test("can't read, trace, limit or replace process 1", async (all) => {
      const { attempt, goesOn } = await make(all)
      const succeeded: Array<string> = []
      for (const each of [...reads, ...links, ...writes, ...others]) {
        const name = each.join(" ")
        const said = await attempt(each)
        if (said === "done" && !allowed.has(name)) succeeded.push(name)
        assert.match(said, /^[A-Z]|^done$/, name)
        assert.isTrue(await goesOn(), name)
      }
      assert.deepStrictEqual(succeeded, [])
    })

    test("can't break process 1 by anything that it is allowed to do", async (all) => {
      const { attempt, goesOn } = await make(all)
      const sent = ["kill", "tgkill", "pidfd", "sigqueue"].map((way) => [way, signals])
      for (const each of [...sent, ...harmless]) {
        await attempt(each)
        assert.isTrue(await goesOn(), each.join(" "))
      }
    })

    test("can't lock other programs out by exhausting connections, descriptors or memory", async (all) => {
      const { sandbox, attempt, goesOn } = await make(all)
      const flood = attempt(["flood"])
      await using second = open()
      const found = await second.get(sandbox.name)
      assert.strictEqual((await found.run("echo two")).stdout, "two\n")
      assert.isTrue(await goesOn())
      assert.match(await flood, /^\d+ connections/)
      const fill = "x=a; while :; do x=$x$x; done 2>/dev/null & ulimit -n 100000; sleep 1"
      await sandbox.exec(fill, { timeout: "20 seconds" }).catch(() => undefined)
      assert.strictEqual((await sandbox.run("echo on")).stdout, "on\n")
    })

    test("can't block commands by a FIFO in place of /etc/passwd and /etc/group", async (all) => {
      const { sandbox, attempt } = await make(all)
      await sandbox.run("rm -f /etc/passwd /etc/group; mkfifo /etc/passwd /etc/group")
      // Not by a shell: bash itself reads the table, and waits.
      for (const user of ["0", "1000"]) {
        const { stdout } = await sandbox.run(["id", "-u"], { user, timeout: "10 seconds" })
        assert.strictEqual(stdout, `${user}\n`)
      }
      const options = { user: "nobody", timeout: "10 seconds" } as const
      const named = await sandbox.exec(["id", "-u"], options).catch(({ _tag }) => _tag)
      assert.strictEqual(named, "InvalidInput")
      assert.strictEqual(await attempt(["attach"]), "Operation not permitted")
    })

    // gVisor has no other files than runc: what an engine puts in and starts is the engine's.
    if (runtime === "runc") {
      test("can't have its own program run in place of the init after a restart", async (all) => {
        for (const [what, script] of Object.entries(replacements)) {
          const { sandbox } = await make(all)
          await sandbox.run(script)
          await sandbox.stop()
          const isRefused = await sandbox.start().then(
            () => false,
            ({ _tag }) => _tag === "EngineError",
          )
          if (isRefused) continue
          const after = await sandbox.run("test ! -e /tmp/evil && echo on", {
            timeout: "20 seconds",
          })
          assert.strictEqual(after.stdout, "on\n", what)
        }
      })

      test("can't have a program of its image run in place of the init", async (all) => {
        const made: Array<string> = []
        try {
          for (const [what, script] of Object.entries({
            ...replacements,
            "a device": `mkdir -p /.cordon; mknod ${init} c 1 5`,
          })) {
            const container = await engine.createContainer({
              Image: image,
              Cmd: ["sh", "-c", `mkdir -p /.cordon; : >${init}; ${script}; rm -f /tmp/evil`],
              HostConfig: { NetworkMode: "none" },
            })
            await container.start()
            await container.wait()
            const tag = `hostile-${process.pid}-${made.length}`
            await container.commit({ repo: "cordon-test/hostile", tag, changes: "CMD sh" })
            await container.remove()
            made.push(`cordon-test/hostile:${tag}`)
            const created = await all
              .create({ image: `cordon-test/hostile:${tag}` })
              .catch((error) => {
                assert.strictEqual(error._tag, "EngineError", what)
              })
            if (created === undefined) continue
            const said = await created.run("test ! -e /tmp/evil && echo on")
            assert.strictEqual(said.stdout, "on\n", what)
            await created.remove()
          }
        } finally {
          for (const tag of made) await engine.getImage(tag).remove({ force: true })
        }
      })
    }
  })
}
