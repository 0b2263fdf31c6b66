// What belongs to the sandbox rather than to one connection: daemons that a command left behind, and what connections
// may know of each other.
import { setTimeout as pause } from "node:timers/promises"
import { assert, it } from "vitest"
import {
  attach,
  Client,
  dial,
  forget,
  operation,
  parseUsage,
  processes,
  run,
  usage,
} from "./client.ts"
import { onEachProgram } from "./support.ts"

// Milliseconds: clocks are rounded, and timers of Node may be early by one.
const slack = 5

const asked = async (client: Client) => {
  const channel = client.open(usage())
  assert.deepInclude(await channel.closed, { how: "exited", value: 0 })
  return parseUsage(Buffer.concat(channel.output))
}

await onEachProgram("a sandbox", (program) => {
  /** Process 1, its first connection, and more of them. */
  const sandbox = async () => {
    const init = program.start({ unshare: ["--net"] })
    const first = await new Client(init).greeted()
    const others: Array<AsyncDisposable> = []
    return {
      init,
      first,
      connect: async () => {
        const running = init.connect()
        others.push(running)
        return { running, client: await new Client(running).greeted() }
      },
      [Symbol.asyncDispose]: async () => {
        for (const other of others) await other[Symbol.asyncDispose]()
        await init[Symbol.asyncDispose]()
      },
    }
  }

  /** Whether the daemon that counts in a file still does so. */
  const lives = async (client: Client, file: string) => {
    const { output } = await client.sh(
      `n=$(wc -c <${file}); for i in $(seq 50); do sleep 0.1; [ $(wc -c <${file}) != $n ] && echo yes && exit; done; echo no`,
    )
    return output
  }
  const daemon = (file: string) =>
    `>${file}; (while :; do echo . >>${file}; echo output; sleep 0.05; done) & echo up`
  const file = () => `/tmp/cordon-daemon-${program.architecture}-${Math.random()}`

  // QEMU's emulation of Linux lets no process be a subreaper: what a finished command left behind is an orphan there.
  if (program.command.length === 1) {
    it("keeps a finished command's daemon running, also when its connection ends", async () => {
      await using box = await sandbox()
      const { client, running } = await box.connect()
      const beats = file()
      assert.deepInclude(await client.sh(daemon(beats)), { how: "exited", value: 0 })
      assert.strictEqual(await lives(box.first, beats), "yes\n")
      running.stdin.end()
      await running.exited
      assert.strictEqual(await lives(box.first, beats), "yes\n")
      await box.first.run(["rm", beats])
    })

    it("keeps a finished command's daemon running when its connection ends before reading the output", async () => {
      await using box = await sandbox()
      const { client, running } = await box.connect()
      const beats = file()
      const channel = client.open(run(["sh", "-c", daemon(beats)], { credit: 1 })).end()
      await channel.until(() => channel.bytes === 1)
      // Its main process has ended, and the init was told so.
      await box.first.sh(`while [ -e /proc/${channel.pid} ]; do sleep 0.05; done; sleep 0.2`)
      running.stdin.end()
      await running.exited
      assert.strictEqual(await lives(box.first, beats), "yes\n")
      await box.first.run(["rm", beats])
    })

    it("kills with a command no process of another command", async () => {
      await using box = await sandbox()
      const beats = file()
      await box.first.sh(daemon(beats))
      const other = box.first.open(run(["sh", "-c", "sleep 4246 & echo up; sleep 4246"]))
      await other.until(() => other.text !== "")
      assert.deepInclude(await box.first.finish(other.kill()), { how: "killed" })
      assert.strictEqual(await lives(box.first, beats), "yes\n")
      await box.first.run(["rm", beats])
    })
  }

  it("counts what other connections have open, without the asking one", async () => {
    await using box = await sandbox()
    assert.deepInclude(await asked(box.first), { length: 16, open: 0, kept: 0 })
    const { client, running } = await box.connect()
    const command = client.open(run(["cat"]))
    const watch = client.open(operation(["watch", "/tmp"]))
    await client.sh("sleep 4247", { flags: 2, name: "kept" })
    await client.sh("exit", { flags: 2, name: "ended" })
    const follower = client.open(attach("kept"))
    await follower.until(() => follower.positions.length > 0)
    await client.open(attach("ended")).closed
    await client.open(processes()).closed
    await client.open(dial(1)).closed
    await watch.until(() => watch.window > 0)
    assert.deepInclude(await asked(box.first), { open: 3, kept: 1 })
    assert.deepInclude(await asked(client), { open: 0, kept: 1 })
    await command.end().closed
    assert.deepInclude(await asked(box.first), { open: 2, kept: 1 })
    running.stdin.end()
    await running.exited
    assert.deepInclude(await asked(box.first), { open: 0, kept: 1 })
    await box.first.open(forget("kept")).closed
    assert.deepInclude(await asked(box.first), { open: 0, kept: 0 })
  })

  it("reports for how long no other connection has opened or ended anything", async () => {
    await using box = await sandbox()
    await pause(300)
    // Since the init's start: one's own commands and anybody's questions are nothing.
    await box.first.run(["true"])
    const { client, running } = await box.connect()
    await asked(client)
    await client.open(processes()).closed
    assert.isAtLeast((await asked(box.first)).quiet, 300 - slack)
    const before = Date.now()
    await client.run(["true"])
    const { quiet } = await asked(box.first)
    assert.isAtMost(quiet, Date.now() - before + slack)
    await pause(200)
    assert.isAtLeast((await asked(box.first)).quiet, quiet + 200 - slack)
    const channel = client.open(run(["sleep", "60"]))
    await channel.until(() => channel.pid > 0)
    await pause(200)
    assert.isAtLeast((await asked(box.first)).quiet, 200 - slack)
    // The end of a connection ends what it has open; it counts once it is gone, too.
    const ending = Date.now()
    running.stdin.end()
    await running.exited
    const gone = await asked(box.first)
    assert.isAtMost(gone.quiet, Date.now() - ending + slack)
    await pause(200)
    assert.isAtLeast((await asked(box.first)).quiet, gone.quiet + 200 - slack)
  })

  it("refuses a usage request that grants no credit for the answer", async () => {
    await using box = await sandbox()
    assert.deepInclude(await box.first.open(usage(15)).closed, { how: "refused", value: 11 })
    assert.deepInclude(await box.first.open(Buffer.from([7])).closed, { how: "refused", value: 22 })
  })

  // QEMU keeps two real-time signals for itself, and counts the others from there.
  const stop = program.command.length === 1 ? 40 : 42
  const marked = async (client: Client) =>
    (await client.sh("ps -eo args | grep '[s]leep 424[89]'")).output

  for (const [name, signal] of [
    ["signal 40", stop],
    ["SIGUSR1", 10],
  ] as const) {
    it(`ends all processes at ${name} from outside, and keeps its connections`, async () => {
      await using box = await sandbox()
      const { client } = await box.connect()
      const command = client.open(run(["sh", "-c", "setsid sleep 4248 & echo up; sleep 4249"]))
      await command.until(() => command.text !== "")
      const watch = box.first.open(operation(["watch", "/tmp"]))
      await watch.until(() => watch.window > 0)
      const script = "(setsid sleep 4248 &); echo said; sleep 4249"
      await client.sh(script, { flags: 2, name: "kept" })
      await box.first.sh("sleep 4248 >/dev/null & exit")
      const follower = box.first.open(attach("kept"))
      await follower.until(() => follower.text !== "")
      box.init.kill(signal)
      for (const channel of [command, watch, follower]) {
        assert.deepInclude(await channel.closed, { how: "killed", value: 9 })
      }
      const log = client.open(attach("kept"))
      assert.deepInclude(await log.closed, { how: "killed", value: 9 })
      assert.strictEqual(log.text, "said\n")
      assert.strictEqual(await marked(client), "")
      assert.deepInclude(await asked(box.first), { open: 0, kept: 0 })
      assert.strictEqual((await box.first.run(["echo", "on"])).output, "on\n")
    })
  }

  it("ends all processes at signal 40 from outside while code inside keeps sending it", async () => {
    await using box = await sandbox()
    const script = `echo up; while :; do kill -${stop} 1; done`
    const flood = [1, 2, 3].map(() => box.first.open(run(["sh", "-c", script])))
    for (const channel of flood) await channel.until(() => channel.text !== "")
    // Again and again, as drivers do: where the flood fills the queue of signals, one may get lost.
    const again = setInterval(() => box.init.kill(stop), 250)
    try {
      for (const { closed } of flood) assert.deepInclude(await closed, { how: "killed", value: 9 })
    } finally {
      clearInterval(again)
    }
  })

  /** The system call by which a program invents who sends a signal. */
  const pretend = (signal: number) =>
    `perl -e '$i = pack("iiiiiix104", ${signal}, 0, -1, 0, 0, 0); syscall(${process.arch === "arm64" ? 138 : 129}, 1, ${signal}, $i) == 0 or die "$!"'`

  it("does not mistake a signal from inside for one from outside", async () => {
    await using box = await sandbox()
    const command = box.first.open(run(["cat"]))
    await command.until(() => command.pid > 0)
    for (const signal of [15, 10, stop]) {
      const script = `kill -${signal} 1 && ${pretend(signal)}`
      assert.deepInclude(await box.first.sh(script), { how: "exited", value: 0, errors: "" })
    }
    assert.deepInclude(await command.write("on").end().closed, { how: "exited", value: 0 })
    assert.strictEqual(command.text, "on")
    box.init.kill(15)
    assert.strictEqual(await box.init.exited, 0)
  })

  const limit =
    "mount -t tmpfs none /sys/fs/cgroup; mkdir /sys/fs/cgroup/pids; cd /sys/fs/cgroup/pids"

  it("sets the limit of processes at its start, if permitted", async () => {
    const before = `${limit}; touch pids.max`
    await using init = program.start({ unshare: ["--mount"], before, args: ["--pids=321"] })
    const client = new Client(init)
    assert.strictEqual((await client.run(["cat", "/sys/fs/cgroup/pids/pids.max"])).output, "321")
    await using without = program.start({ unshare: ["--mount"], before: limit, args: ["--pids=1"] })
    const { output } = await new Client(without).sh("ls /sys/fs/cgroup/pids; echo on")
    assert.strictEqual(output, "on\n")
  })

  for (const args of [
    ["--pids="],
    ["--pids=0"],
    ["--pids=1x"],
    ["--pids=-1"],
    ["--unknown"],
    ["x"],
  ]) {
    it(`refuses the argument ${args[0]}`, async () => {
      await using init = program.start({ args })
      assert.strictEqual(await init.exited, 2)
      assert.include(init.errors(), `unknown argument ${args[0]}`)
    })
  }
})
