// What a command begins with: its shell, its language, its user, and a supervisor that may have had one before.
import { existsSync } from "node:fs"
import { assert, describe, it } from "vitest"
import { Client, operation, run } from "./client.ts"
import { onEachProgram, type Program, type StartOptions } from "./support.ts"

const script = 16
const noInput = 8
const hidden = (path: string) => `! [ -e ${path} ] || mount --bind /dev/null ${path}`
const bashes = ["/usr/bin/bash", "/usr/local/bin/bash"]
const withoutLanguage = { PATH: process.env["PATH"], HOME: "/root" }

/** Process 1 in a mount namespace of its own, in which a script of sh prepares what it finds. */
const inRoot = async (
  program: Program,
  options: StartOptions,
  test: (client: Client) => Promise<void>,
) => {
  await using running = program.start({ env: withoutLanguage, unshare: ["--mount"], ...options })
  await test(await new Client(running).greeted())
}

await onEachProgram("a command's program", (program) => {
  it("runs under the supervisor of the command before", () =>
    inRoot(program, {}, async (client) => {
      const first = await client.sh("echo $PPID", { flags: noInput })
      const second = await client.sh("echo $PPID", { flags: noInput })
      assert.strictEqual(second.output, first.output)
    }))

  it("inherits nothing from the command before", () =>
    inRoot(program, {}, async (client) => {
      const ask = "id -u; id -G; pwd; umask; echo $A; ulimit -n; ls /proc/self/fd | wc -l"
      const one = await client.sh(ask, { flags: noInput })
      const other = `umask 077; ulimit -n 20; exec 7</etc/passwd; cd /usr; ${ask}`
      await client.sh(other, { flags: noInput, user: "nobody", folder: "/tmp", env: ["A=a"] })
      assert.strictEqual((await client.sh(ask, { flags: noInput })).output, one.output)
    }))

  it("runs after 20 commands that could not start", () =>
    inRoot(program, {}, async (client) => {
      for (let n = 0; n < 20; n++) {
        const missing = await client.run(["nosuchprogram"], { flags: noInput })
        assert.deepInclude(missing, { how: "failed", stage: 3, value: 2 })
      }
      assert.strictEqual((await client.run(["echo", "on"], { flags: noInput })).output, "on\n")
    }))

  it("runs at the same time as many others, again and again", () =>
    inRoot(program, {}, async (client) => {
      for (let round = 0; round < 5; round++) {
        const all = Array.from({ length: 12 }, (_, n) =>
          client.run(["echo", `${n}`], { flags: noInput }),
        )
        const said = (await Promise.all(all)).map(({ output }) => output)
        assert.deepStrictEqual(
          said,
          said.map((_, n) => `${n}\n`),
        )
      }
    }))

  it("receives no signal that was meant for the command before", () =>
    inRoot(program, {}, async (client) => {
      for (let n = 0; n < 20; n++) {
        const channel = client.open(run(["true"], { flags: noInput }))
        channel.signal(9).signal(9)
        await channel.closed
        assert.deepInclude(await client.sh("exit 3", { flags: noInput }), {
          how: "exited",
          value: 3,
        })
      }
    }))

  it("takes no CPU time of process 1 while a file operation waits", () =>
    inRoot(program, {}, async (client) => {
      const spent = async () => {
        const { output } = await client.sh('cut -d ")" -f 2- /proc/1/stat')
        const [user = 0, system = 0] = output.split(" ").slice(12, 14).map(Number)
        return user + system
      }
      const watch = client.open(operation(["watch", "/mnt"]))
      await watch.until(() => watch.bytes > 0)
      const before = await spent()
      await client.run(["sleep", "0.5"])
      // Of 50 hundredths of a second.
      assert.isBelow((await spent()) - before, 25)
      await client.finish(watch.end())
    }))

  describe("that is a script", () => {
    it("is run by bash unchanged", () =>
      inRoot(program, {}, async (client) => {
        const { output } = await client.run(['echo "$BASH_VERSION" $#'], { flags: script })
        assert.match(output, /^\d.* 0\n$/)
        // Not an option of the shell.
        const dash = await client.run(["-n"], { flags: script })
        assert.deepInclude(dash, { how: "exited", value: 127 })
      }))

    it("is run by sh when bash can't be executed", () =>
      inRoot(program, { before: bashes.map(hidden).join("\n") }, async (client) => {
        const { output } = await client.run(['echo "$BASH_VERSION" $#'], { flags: script })
        assert.strictEqual(output, " 0\n")
      }))

    it("fails with the reason when no shell can run it", () =>
      inRoot(
        program,
        { before: [...bashes, "$(readlink -f /bin/sh)"].map(hidden).join("\n") },
        async (client) => {
          const { how, stage, value } = await client.run(["true"], { flags: script })
          assert.deepStrictEqual([how, stage, value], ["failed", 3, 13])
        },
      ))

    it("is passed as one argument", () =>
      inRoot(program, {}, async (client) => {
        const two = await client.run(["true", "true"], { flags: script })
        assert.deepInclude(two, { how: "refused", stage: 6, value: 22 })
      }))
  })

  describe("gets a locale", () => {
    const locales = "mount -t tmpfs none /usr/lib/locale"
    const ask = async (client: Client, env: ReadonlyArray<string> = [], flags = 0) => {
      const { output } = await client.run(["/usr/bin/env"], { env, flags })
      return output.split("\n").filter((entry) => /^(LANG|LC_)/.test(entry))
    }
    const musl = ["x86_64", "aarch64"].some((name) => existsSync(`/lib/ld-musl-${name}.so.1`))

    it("from its image, unless one is set", () =>
      inRoot(
        program,
        { before: `${locales}; mkdir /usr/lib/locale/en_US.utf8` },
        async (client) => {
          assert.deepStrictEqual(await ask(client), ["LANG=en_US.UTF-8"])
          for (const name of ["LANG", "LC_ALL", "LC_CTYPE"]) {
            assert.deepStrictEqual(await ask(client, [`${name}=de_DE`]), [`${name}=de_DE`])
            assert.deepStrictEqual(await ask(client, [`${name}=`]), [`${name}=`])
          }
          assert.deepStrictEqual(await ask(client, ["A=b"], 4), [])
        },
      ))

    it("that its image has, rather than one it lacks", () =>
      inRoot(program, { before: locales }, async (client) => {
        assert.deepStrictEqual(await ask(client), musl ? ["LANG=C.UTF-8"] : [])
      }))

    it("that the sandbox sets", () =>
      inRoot(program, { env: { ...withoutLanguage, LC_ALL: "C" } }, async (client) => {
        assert.deepStrictEqual(await ask(client), ["LC_ALL=C"])
      }))
  })

  describe("runs as a user", () => {
    const identify = async (client: Client, user: string) => {
      const channel = client.open(operation(["identify", user])).end()
      const ending = await channel.closed
      const record = Buffer.concat(channel.output)
      if (ending.value !== 0) return ending.value
      const count = record.readUInt32LE(8)
      const groups = Array.from({ length: count }, (_, n) => record.readUInt32LE(12 + 4 * n))
      const home = record.subarray(12 + 4 * count)
      assert.strictEqual(home.readUInt32LE(0), home.length - 4)
      return [record.readUInt32LE(0), record.readUInt32LE(4), groups, home.subarray(4).toString()]
    }
    const tables = `mount -t tmpfs none /mnt
echo 'one:x:11:12::/home/one:' >/mnt/passwd
printf 'a:x:12:\\nb:x:13:zero,one\\nc:x:14:one\\n' >/mnt/group
mount --bind /mnt/passwd /etc/passwd
mount --bind /mnt/group /etc/group`

    it("with numbers, groups and a home", () =>
      inRoot(program, { before: tables, env: { PATH: process.env["PATH"] } }, async (client) => {
        assert.deepStrictEqual(await identify(client, "one"), [11, 12, [13, 14], "/home/one"])
        assert.deepStrictEqual(await identify(client, "11"), [11, 12, [13, 14], "/home/one"])
        assert.deepStrictEqual(await identify(client, "one:c"), [11, 14, [], "/home/one"])
        assert.deepStrictEqual(await identify(client, "4711"), [4711, 0, [], "/"])
        assert.deepStrictEqual(await identify(client, ""), [0, 0, [], "/root"])
        assert.strictEqual(await identify(client, "nobody"), 22)
      }))

    it("whose home is the command's HOME", () =>
      inRoot(program, { before: tables, env: { HOME: "/chosen" } }, async (client) => {
        assert.deepStrictEqual(await identify(client, "one"), [11, 12, [13, 14], "/chosen"])
      }))
  })
})
