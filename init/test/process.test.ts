// Process 1: commands, their ends, kept processes, ports and connections, over pipes in a PID namespace of its own.
import { execFileSync } from "node:child_process"
import { randomUUID } from "node:crypto"
import { once } from "node:events"
import { chmodSync, createReadStream, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { connect as connectTo, createServer, type Socket } from "node:net"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, beforeAll, it } from "vitest"
import { freePort } from "../../test/support/machine.ts"
import {
  accept,
  attach,
  Client,
  dial,
  forget,
  listen,
  operation,
  parseUsage,
  processes,
  run,
  usage,
} from "./client.ts"
import { frame, hello, onEachProgram, type Running } from "./support.ts"

const exited = { how: "exited", value: 0, stage: 0, outOfMemory: false } as const

const count = async (client: Client, pattern: string) =>
  Number((await client.sh(`ps -eo args | grep -c '${pattern}'`)).output)

await onEachProgram("the init as process 1", (program) => {
  let running: Running
  let client: Client
  let folder: string

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), "cordon-init-test-"))
    chmodSync(folder, 0o777)
    running = program.start({
      env: { ...process.env, HOME: "/root", GIVEN: "by the sandbox" },
    })
    client = new Client(running)
  })
  afterAll(async () => {
    await running[Symbol.asyncDispose]()
    rmSync(folder, { recursive: true, force: true })
  })

  it("runs a command, and separates its two outputs and its exit code", async () => {
    const result = await client.sh("echo out; echo err >&2; exit 3")
    assert.deepStrictEqual(result, { ...exited, value: 3, output: "out\n", errors: "err\n" })
  })

  it("reports the signal that killed a command", async () => {
    const { how, value } = await client.sh("kill -TERM $$")
    assert.deepStrictEqual([how, value], ["killed", 15])
  })

  it("passes arguments on as they are", async () => {
    const { output } = await client.run(["printf", "<%s>", "", "a b", "-n", "'\"$(id)\n"])
    assert.strictEqual(output, "<><a b><-n><'\"$(id)\n>")
  })

  it("gives a command the sandbox's variables, overridden by its own", async () => {
    const script = 'echo "$GIVEN|$MORE|$HOME"'
    const given = await client.sh(script, { env: ["MORE=more", "GIVEN=by the command"] })
    assert.strictEqual(given.output, "by the command|more|/root\n")
    const taken = await client.sh(script, { env: ["GIVEN", "HOME=/elsewhere"] })
    assert.strictEqual(taken.output, "||/elsewhere\n")
    const bare = await client.run(["/usr/bin/env"], { flags: 4, env: ["ONLY=this"] })
    assert.strictEqual(bare.output, "ONLY=this\n")
  })

  it("runs a command as the named user, with that user's groups and home", async () => {
    const { output } = await client.sh('echo "$(id -u):$(id -g):$HOME"', { user: "nobody" })
    assert.strictEqual(output, "65534:65534:/nonexistent\n")
    const numbers = await client.sh("id -u; id -g; id -G", { user: "4711:815" })
    assert.strictEqual(numbers.output, "4711\n815\n815\n")
    const unknown = await client.sh("id -u; id -g", { user: "4711" })
    assert.strictEqual(unknown.output, "4711\n0\n")
  })

  for (const user of ["nosuchuser", "4294967295", "root:nosuchgroup", "-1", `${"x".repeat(300)}`]) {
    it(`refuses the user ${user.slice(0, 20)}`, async () => {
      const { how, stage, value } = await client.run(["true"], { user })
      assert.deepStrictEqual([how, stage, value], ["failed", 1, 22])
    })
  }

  it("reports why a command could not start", async () => {
    const folderMissing = await client.run(["true"], { folder: "/nonexistent" })
    assert.deepInclude(folderMissing, { how: "failed", stage: 2, value: 2 })
    const programMissing = await client.run(["nosuchprogram"])
    assert.deepInclude(programMissing, { how: "failed", stage: 3, value: 2 })
    const noProgram = await client.run(["/etc/passwd"])
    assert.deepInclude(noProgram, { how: "failed", stage: 3, value: 13 })
    assert.deepInclude(await client.run([]), { how: "refused", stage: 6 })
  })

  it("feeds a command with input of any length, within the granted credit", async () => {
    const channel = client.open(run(["sha256sum"]))
    await channel.until(() => channel.window > 0)
    const piece = Buffer.alloc(50_000, "x")
    for (let left = 100; left > 0; left--) {
      await channel.until(() => channel.window >= piece.length)
      channel.window -= piece.length
      channel.write(piece)
    }
    const { output } = await client.finish(channel.end())
    const expected = await client.sh("head -c 5000000 /dev/zero | tr '\\0' x | sha256sum")
    assert.strictEqual(output, expected.output)
  })

  it("lets eight channels send up to 1 MiB each, and their unread input blocks no other channel", async () => {
    const wide = 1024 * 1024
    const piece = Buffer.alloc(60_000)
    const begin = async (script: string) => {
      const channel = client.open(run(["sh", "-c", script]))
      await channel.until(() => channel.window > 0)
      channel.window -= piece.length
      channel.write(piece)
      return channel
    }
    const some = "head -c 60000 >/dev/null; echo taken; sleep 60"
    const first = []
    for (let n = 0; n < 8; n++) first.push(await begin(some))
    for (const channel of first) {
      await channel.until(() => channel.window > wide - piece.length)
      assert.isAtMost(channel.window, wide)
      for (let left = channel.window; left > 0; left -= piece.length) {
        channel.write(Buffer.alloc(Math.min(left, piece.length)))
      }
    }
    const ninth = await begin(some)
    await ninth.until(() => ninth.text === "taken\n" && ninth.window > piece.length)
    await client.ping(Buffer.alloc(8))
    assert.isAtMost(ninth.window, wide / 8)
    assert.strictEqual((await client.sh("echo goes on")).output, "goes on\n")
    for (const channel of [...first, ninth]) await channel.kill().closed
    const next = await begin(some)
    await next.until(() => next.window > wide - piece.length)
    await next.kill().closed
  })

  it("sleeps while a file operation waits", async () => {
    const channel = client.open(operation(["write", join(folder, "awaited")]))
    await channel.until(() => channel.window > 0)
    const used = "u() { set -- $(sed 's/.*) //' /proc/1/stat); echo $(($12 + $13)); }"
    const { output } = await client.sh(`${used}; a=$(u); sleep 1; echo $(($(u) - a))`)
    // Hundredths of a second.
    assert.isBelow(Number(output), 20)
    await channel.kill().closed
  })

  it("accepts input for a command that reads none", async () => {
    const channel = client.open(run(["sleep", "0.3"]))
    await channel.until(() => channel.window > 0)
    channel.write(Buffer.alloc(65_536)).write(Buffer.alloc(65_536))
    assert.deepStrictEqual(await channel.closed, exited)
  })

  it("sends no more output than was granted, and blocks no other command", async () => {
    const channel = client.open(run(["sh", "-c", "yes | head -c 300000"], { credit: 1000 })).end()
    await channel.until(() => channel.bytes >= 1000)
    assert.strictEqual((await client.run(["echo", "other"])).output, "other\n")
    assert.strictEqual(channel.bytes, 1000)
    channel.credit(299_000)
    assert.deepStrictEqual(await channel.closed, exited)
    assert.strictEqual(channel.bytes, 300_000)
  })

  it("sends all output before the exit", async () => {
    const { output } = await client.sh("yes | head -c 3000000")
    assert.strictEqual(output.length, 3_000_000)
  })

  it("does not wait for children that hold the output, which can still write", async () => {
    const marker = join(folder, "went-on")
    const script = `(sleep 0.5; yes | head -c 500000; echo done >${marker}) & echo started`
    assert.strictEqual((await client.sh(script)).output, "started\n")
    const { output } = await client.sh(
      `while ! [ -e ${marker} ]; do sleep 0.1; done; cat ${marker}`,
    )
    assert.strictEqual(output, "done\n")
  })

  it("kills with a command its daemon that cleared its environment and left its session", async () => {
    const daemon = "setsid env -i /bin/sh -c '(env -i /bin/sleep 4242 &) ; exec /bin/sleep 4242'"
    const channel = client.open(
      run(["sh", "-c", `(${daemon} >/dev/null 2>&1 &); echo up; sleep 4242`]),
    )
    await channel.until(() => channel.text !== "")
    assert.isAbove(await count(client, "[s]leep 4242"), 1)
    assert.deepInclude(await client.finish(channel.kill()), { how: "killed", value: 9 })
    assert.strictEqual(await count(client, "[s]leep 4242"), 0)
  })

  it("kills a command whose supervisor was killed, and nothing of another command", async () => {
    const other = client.open(run(["sleep", "4243"]))
    await other.until(() => other.pid !== 0)
    const script = "(setsid sleep 4244 &); kill -9 $PPID; sleep 4244"
    assert.deepInclude(await client.sh(script), { how: "killed", value: 9 })
    assert.strictEqual(await count(client, "[s]leep 4244"), 0)
    assert.strictEqual(await count(client, "[s]leep 4243"), 1)
    assert.deepInclude(await client.finish(other.kill()), { how: "killed" })
  })

  it("keeps working when a command stops every supervisor", async () => {
    const script =
      "cd /proc; for p in [0-9]*; do [ $p = $$ ] || kill -STOP $p; done 2>/dev/null; exit 0"
    assert.deepStrictEqual((await client.sh(script)).how, "exited")
    assert.strictEqual((await client.run(["echo", "on"])).output, "on\n")
  })

  it("ends processes that fork as fast as they can", async () => {
    const script = "f() { (f & f & wait) & (f & wait) & wait; }; f 2>/dev/null; sleep 60"
    // The limit is the kernel's, and of the user's processes: this sandbox has no cgroup of its own.
    const limited = ["prlimit", "--nproc=60:60", "sh", "-c", `echo up; ${script}`]
    const channel = client.open(run(limited, { user: "54321" }))
    await channel.until(() => channel.text !== "")
    await client.run(["sleep", "0.5"])
    assert.deepInclude(await client.finish(channel.kill()), { how: "killed" })
    assert.strictEqual((await client.sh("ps -eo uid | grep -c 54321")).output, "0\n")
  })

  it("signals the process group of a command", async () => {
    const channel = client.open(
      run(["sh", "-c", "trap 'exit 7' TERM; echo up; while :; do sleep 0.1; done"]),
    )
    await channel.until(() => channel.text !== "")
    channel.signal(15)
    assert.deepInclude(await channel.closed, { how: "exited", value: 7 })
  })

  it("runs a command on a terminal of the requested size", async () => {
    const channel = client.open(
      run(["sh", "-c", "stty size; read line; stty size; echo got $line; exit 5"], {
        flags: 1,
        rows: 33,
        columns: 44,
      }),
    )
    await channel.until(() => channel.text.includes("33 44"))
    channel.resize(50, 60).write("typed\n")
    assert.deepInclude(await channel.closed, { how: "exited", value: 5 })
    assert.include(channel.text, "50 60")
    assert.include(channel.text, "got typed")
  })

  it("keeps a process, its log and its exit code for later attachments", async () => {
    const script = "read line; echo out $line; echo err >&2; exit 9"
    const options = { flags: 2, name: "kept-1", description: "what people see" }
    const began = await client.open(run(["sh", "-c", script], options)).closed
    assert.deepStrictEqual([began.how, began.value], ["exited", 0])
    const taken = await client.run(["true"], { flags: 2, name: "kept-1" })
    assert.deepInclude(taken, { how: "refused", value: 17 })
    const first = client.open(attach("kept-1"))
    await first.until(() => first.positions.length > 0)
    first.write("in\n")
    assert.deepInclude(await first.closed, { how: "exited", value: 9 })
    assert.deepStrictEqual(
      [first.text, Buffer.concat(first.errors).toString()],
      ["out in\n", "err\n"],
    )
    const later = client.open(attach("kept-1", 4))
    assert.deepInclude(await later.closed, { how: "exited", value: 9 })
    assert.deepStrictEqual([later.positions, later.text], [[4n], "in\n"])
    const listed = client.open(processes())
    await listed.closed
    assert.match(listed.text, /kept-1.*what people see/s)
    assert.deepInclude(await client.open(forget("kept-1")).closed, { how: "exited", value: 0 })
    assert.deepInclude(await client.open(attach("kept-1")).closed, { how: "refused", value: 2 })
  })

  it("keeps the end of a long log, and reports its position", async () => {
    await client.sh("yes | head -c 3000000; echo end", { flags: 2, name: "kept-2" })
    const channel = client.open(attach("kept-2"))
    await channel.closed
    const again = client.open(attach("kept-2"))
    await again.closed
    assert.isTrue(again.text.endsWith("end\n"))
    assert.isAtMost(again.bytes, 2 ** 20)
    assert.strictEqual(Number(again.positions[0]) + again.bytes, 3_000_004)
    await client.open(forget("kept-2")).closed
  })

  it("ends a kept process with all it started, and keeps it when a follower disconnects", async () => {
    await client.sh("(setsid sleep 4245 &); sleep 4245", { flags: 2, name: "kept-3" })
    const follower = client.open(attach("kept-3"))
    await follower.until(() => follower.positions.length > 0)
    assert.deepInclude(await client.finish(follower.kill()), { how: "killed" })
    assert.isAbove(await count(client, "[s]leep 4245"), 1)
    const watching = client.open(attach("kept-3"))
    await client.open(forget("kept-3", true)).closed
    assert.strictEqual(await count(client, "[s]leep 4245"), 0)
    assert.deepInclude(await watching.closed, { how: "killed", value: 9 })
    await client.open(forget("kept-3")).closed
  })

  it("gives a kept process up to the requested grace to end", async () => {
    const gentle = "trap 'echo cleaned; exit 3' TERM; sleep 4248 & echo ready; wait"
    await client.sh(gentle, { flags: 2, name: "gentle" })
    const follower = client.open(attach("gentle"))
    await follower.until(() => follower.text === "ready\n")
    // A child that is not yet its program would miss the signal.
    while ((await count(client, "[s]leep 4248")) === 0) await new Promise(setImmediate)
    // More than the test's own time.
    assert.deepInclude(await client.open(forget("gentle", true, 600_000)).closed, { how: "exited" })
    assert.deepInclude(await follower.closed, { how: "exited", value: 3 })
    assert.strictEqual(follower.text, "ready\ncleaned\n")
    // Those that nobody can ask, and those that do not listen.
    const stubborn = "trap '' TERM; (setsid sleep 4249 &); echo ready; sleep 4249"
    await client.sh(stubborn, { flags: 2, name: "stubborn" })
    const other = client.open(attach("stubborn"))
    await other.until(() => other.text === "ready\n")
    await client.open(forget("stubborn", false, 200)).closed
    assert.deepInclude(await other.closed, { how: "killed", value: 9 })
    assert.strictEqual(await count(client, "[s]leep 424[89]"), 0)
    await client.open(forget("gentle")).closed
  })

  it("lets a new process take the name of an ended one, and ends what the old one left", async () => {
    await client.sh("(setsid sleep 4250 &); exit 1", { flags: 2, name: "again" })
    await client.open(attach("again")).closed
    const starts = ["a", "b"].map((word) =>
      client.open(run(["sh", "-c", `echo ${word}; sleep 1000`], { flags: 2, name: "again" })),
    )
    const [first, second] = await Promise.all(starts.map(({ closed }) => closed))
    assert.deepInclude(first, { how: "exited", value: 0 })
    assert.deepInclude(second, { how: "refused", value: 17 })
    const log = client.open(attach("again"))
    await log.until(() => log.text === "a\n")
    while ((await count(client, "[s]leep 4250")) > 0) await new Promise(setImmediate)
    await client.open(forget("again")).closed
  })

  it("drops the process that ended first when there is one too many", async () => {
    for (let i = 0; i < 130; i++) await client.run(["true"], { flags: 2, name: `many-${i + 100}` })
    const listed = client.open(processes())
    await listed.closed
    const names = [...listed.text.matchAll(/many-\d{3}/g)].map(([name]) => name)
    assert.strictEqual(names.length, 128)
    assert.notInclude(names, "many-101")
    assert.include(names, "many-229")
    for (const name of names) await client.open(forget(name)).closed
  })

  it("reports on attach whether a kept process accepts input, and when it has read it", async () => {
    await client.open(run(["cat"], { flags: 2 | 8, name: "deaf" })).closed
    const deaf = client.open(attach("deaf"))
    await deaf.closed
    assert.strictEqual(deaf.window, 0)
    const script = "sleep 0.3; head -c 100000 | wc -c; cat"
    await client.open(run(["sh", "-c", script], { flags: 2, name: "slow" })).closed
    const writer = client.open(attach("slow"))
    await writer.until(() => writer.positions.length > 0)
    const { window } = writer
    writer.write(Buffer.alloc(60_000)).write(Buffer.alloc(40_000))
    await writer.until(() => writer.window === window + 100_000)
    // It has all of it, so that nothing is lost with the one that wrote.
    writer.kill()
    const reader = client.open(attach("slow"))
    await reader.until(() => reader.text.includes("100000"))
    reader.end()
    assert.deepInclude(await reader.closed, { how: "exited", value: 0 })
    const late = client.open(attach("slow"))
    await late.closed
    assert.strictEqual(late.window, 0)
    for (const name of ["deaf", "slow"]) await client.open(forget(name)).closed
  })

  for (const host of ["127.0.0.1", "::1"]) {
    it(`dials ${host}, and passes on the end of either side`, async () => {
      const server = createServer({ allowHalfOpen: true }, (socket) => {
        socket.on("data", (bytes) => socket.write(bytes.toString().toUpperCase()))
        socket.on("end", () => socket.end("bye"))
      }).listen(0, host)
      await once(server, "listening")
      const address = server.address()
      assert.isObject(address)
      const port = typeof address === "object" && address !== null ? address.port : 0
      const channel = client.open(dial(port))
      await channel.until(() => channel.window > 0)
      channel.write("hello ")
      await channel.until(() => channel.bytes === 6)
      channel.end()
      assert.deepInclude(await channel.closed, { how: "exited", value: 0 })
      assert.deepStrictEqual([channel.text, channel.ended], ["HELLO bye", true])
      server.close()
      await once(server, "close")
      const refused = await client.open(dial(port)).closed
      assert.deepInclude(refused, { how: "failed", stage: 7, value: 111 })
    })
  }

  const connected = async (port: number): Promise<Socket> => {
    const socket = connectTo({ port, host: "127.0.0.1", allowHalfOpen: true })
    await once(socket, "connect")
    return socket
  }

  it("listens for programs inside, and hands each connection to a waiting channel", async () => {
    const port = await freePort()
    const listener = client.open(listen(port))
    const [first, second] = [1, 2].map(() => client.open(accept(listener.number)))
    assert.isDefined(first)
    assert.isDefined(second)
    await client.greeted()
    const one = await connected(port)
    await first.until(() => first.window > 0)
    assert.strictEqual(second.window, 0)
    const two = await connected(port)
    await second.until(() => second.window > 0)
    for (const [socket, channel, word] of [
      [one, first, "one"],
      [two, second, "two"],
    ] as const) {
      socket.end(word)
      await channel.until(() => channel.ended)
      assert.strictEqual(channel.text, word)
      channel.write(`${word} heard`).end()
      const [bytes] = await once(socket, "data")
      assert.strictEqual(String(bytes), `${word} heard`)
      assert.deepInclude(await channel.closed, { how: "exited", value: 0 })
    }
    // One that comes before anybody waits for it is kept.
    const early = await connected(port)
    early.end("early")
    const third = client.open(accept(listener.number))
    await third.until(() => third.ended)
    assert.strictEqual(third.text, "early")
    const waiting = client.open(accept(listener.number))
    const taken = client.open(listen(port))
    assert.deepInclude(await taken.closed, { how: "failed", stage: 7, value: 98 })
    listener.end()
    assert.deepInclude(await listener.closed, { how: "exited", value: 0 })
    assert.deepInclude(await waiting.closed, { how: "failed", stage: 7, value: 125 })
    third.kill()
    await third.closed
    const [error] = await once(connectTo(port, "127.0.0.1"), "error")
    assert.strictEqual(error.code, "ECONNREFUSED")
    for (const wrong of [listen(0), accept(0), accept(listener.number), accept(4_000_000_000)]) {
      assert.deepInclude(await client.open(wrong).closed, { how: "refused", stage: 6 })
    }
  })

  it("keeps listening when all processes are ended, and counts no such connection as a use", async () => {
    const port = 3128
    await using apart = program.start({ unshare: ["--net"], before: "ip link set lo up" })
    const other = new Client(apart)
    const listener = other.open(listen(port))
    const [waiting, next] = [1, 2].map(() => other.open(accept(listener.number)))
    assert.isDefined(waiting)
    assert.isDefined(next)
    await other.greeted()
    await using helper = apart.connect()
    const asking = new Client(helper)
    const inside = asking.open(dial(port))
    await waiting.until(() => waiting.window > 0)
    const asked = asking.open(usage())
    await asked.closed
    assert.strictEqual(parseUsage(Buffer.concat(asked.output)).open, 0)
    apart.kill(10)
    assert.deepInclude(await waiting.closed, { how: "killed" })
    await inside.closed
    const again = asking.open(dial(port)).write("on").end()
    await next.until(() => next.ended)
    assert.strictEqual(next.text, "on")
    again.kill()
    // The port is free once its connection has ended.
    apart.stdin.end()
    const late = await asking.sh(
      `until ! grep -q ":0C38 00000000:0000 0A" /proc/net/tcp; do sleep 0.05; done`,
    )
    assert.strictEqual(late.value, 0)
  })

  it("answers a PING with the same content", async () => {
    const content = Buffer.from("12345678")
    assert.deepStrictEqual(await client.ping(content), content)
  })

  it("does not hang on a FIFO in place of /etc/passwd", async () => {
    const fifo = join(folder, "passwd")
    const script = `mkfifo ${fifo} && mount --bind ${fifo} /etc/passwd && echo bound`
    await using apart = program.start({ unshare: ["--mount"] })
    const other = new Client(apart)
    assert.strictEqual((await other.sh(script)).output, "bound\n")
    assert.deepInclude(await other.run(["true"], { user: "nobody" }), { how: "failed", stage: 1 })
    assert.deepInclude(await other.run(["true"], { user: "1000" }), { how: "exited", value: 0 })
  })

  it("ends a closed connection's commands, except kept processes", async () => {
    const marker = join(folder, "beats")
    writeFileSync(marker, "")
    await using apart = program.start()
    const other = new Client(apart)
    const loop = `while :; do echo . >>${marker}; sleep 0.05; done`
    const channel = other.open(run(["sh", "-c", `echo up; ${loop}`]))
    await channel.until(() => channel.text !== "")
    apart.stdin.end()
    const quiet = `a=1; b=2; while [ $a != $b ]; do a=$(wc -c <${marker}); sleep 0.5; b=$(wc -c <${marker}); done`
    assert.deepInclude(await client.sh(quiet), { how: "exited", value: 0 })
  })

  const rules: ReadonlyArray<readonly [string, ReadonlyArray<Buffer>]> = [
    ["begins with another frame than HELLO", [frame(2, 0, Buffer.alloc(8))]],
    ["has another magic number", [frame(1, 0, Buffer.alloc(12))]],
    ["speaks another version", [hello(2, 9)]],
    ["greets twice", [hello(), hello()]],
    ["sends a frame of an unknown type", [hello(), frame(99, 1, Buffer.alloc(0))]],
    ["sends a frame that is too long", [hello(), frame(4, 1, Buffer.alloc(70_000))]],
    [
      "opens a channel twice",
      [hello(), frame(3, 1, run(["sleep", "9"])), frame(3, 1, run(["true"]))],
    ],
    ["opens channel 0", [hello(), frame(3, 0, run(["true"]))]],
    [
      "sends more input than it may",
      [
        hello(),
        frame(3, 1, run(["sleep", "9"])),
        ...Array<Buffer>(20).fill(frame(4, 1, Buffer.alloc(65_000))),
      ],
    ],
  ]
  for (const [what, frames] of rules) {
    it(`closes a connection that ${what}`, async () => {
      // A pipe that nobody but the init holds: `unshare` has copies of its own.
      const fifo = join(folder, `out-${randomUUID()}`)
      execFileSync("mkfifo", [fifo])
      await using apart = program.start({ output: fifo })
      for (const bytes of frames) apart.stdin.write(bytes)
      const output = createReadStream(fifo).resume()
      await once(output, "end")
    })
  }

  it("refuses an incomplete OPEN", async () => {
    const whole = run(["echo", "a"], { env: ["A=1"] })
    for (let length = 0; length < whole.length; length++) {
      const { how } = await client.open(whole.subarray(0, length)).closed
      assert.strictEqual(how, "refused", `of ${length} bytes`)
    }
    assert.deepInclude(await client.open(Buffer.from([77])).closed, { how: "refused", value: 38 })
  })
})
