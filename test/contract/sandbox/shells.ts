import type { Sandbox } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Fiber, Stream } from "effect"
import { tagOf, until } from "../../support/effects.ts"
import { makeSandbox, running } from "../../support/sandbox.ts"
import type { FeatureStage } from "./stage.ts"

/** The files in which shells keep their state. */
const stateFiles = (sandbox: Sandbox) =>
  Effect.map(
    sandbox.run("for f in /tmp/.cordon-shell-*; do [ -e $f ] && echo $f; done; true"),
    ({ stdout }) => stdout.split("\n").slice(0, -1),
  )

/** Shells that keep their state between commands, on every driver. */
export const shellsContract = ({ check, lacks }: FeatureStage) => {
  const lack = lacks.processes
  describe("lasting shells", () => {
    check("a shell keeps its folder, variables, functions, options and exit code", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox({ env: { BOX: "box", GONE: "not yet" } })
        const shell = yield* sandbox.shell({ env: { OPENED: "yes" } })
        const out = (script: string) =>
          Effect.map(shell.exec(script), ({ stdout, stderr }) => stdout + stderr)
        assert.strictEqual(yield* out('pwd; echo "$BOX $OPENED"'), "/work\nbox yes\n")
        const odd = "a  'b' \"c\" $d `e` \\ \n\n é*"
        yield* sandbox.files.write("odd", `${odd}.`)
        yield* out('mkdir -p "sub dir"; cd "sub dir"; x=$(cat ../odd); export Y=1; loc=2')
        yield* out(`x=\${x%.}`)
        yield* out('f() { echo "f $1 $loc"; }; BOX=changed')
        assert.strictEqual(yield* out('printf %s "$x"'), odd)
        assert.strictEqual(
          yield* out('pwd; echo "$BOX"; env | grep "^Y="; cd - >/dev/null; pwd'),
          "/work/sub dir\nchanged\nY=1\n/work\n",
        )
        const bash = yield* out('[ -z "$BASH_VERSION" ] || echo yes')
        if (bash === "yes\n") {
          assert.strictEqual(yield* out("f hi"), "f hi 2\n")
          yield* out('arr=(1 "two words"); alias ll="echo LL"; shopt -s nullglob; unset GONE')
          assert.strictEqual(
            yield* out(`echo "\${arr[1]}"; ll; shopt -q nullglob && echo on; echo "\${GONE-gone}"`),
            "two words\nLL\non\ngone\n",
          )
        }
        const seventh = yield* shell.exec("z=7; exit 7")
        assert.deepInclude(seventh, { exitCode: 7, anew: false, timedOut: false })
        assert.strictEqual(yield* out('echo "$? $z"'), "7 7\n")
        yield* out("set -u -f")
        const unset = yield* shell.exec("echo /e*; echo $none; echo not reached")
        assert.deepInclude(unset, { stdout: "/e*\n" })
        assert.notStrictEqual(unset.exitCode, 0)
        assert.strictEqual(yield* out("set +u +f; echo $z"), "7\n")
      }),
    )

    check("a script that exits does not end the command that ran it", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const shell = yield* sandbox.shell()
        yield* sandbox.files.write("three.sh", "echo begun; exit 3; echo not reached")
        const ran = yield* shell.exec('x=1; sh three.sh; echo "$?"; (exit 4); echo "$?"')
        assert.deepInclude(ran, { stdout: "begun\n3\n4\n", stderr: "", exitCode: 0 })
        const last = yield* shell.exec("x=2; sh three.sh || exit 5")
        assert.deepInclude(last, { stdout: "begun\n", stderr: "", exitCode: 5 })
        assert.strictEqual((yield* shell.exec('echo "$? $x"')).stdout, "5 2\n")
      }),
    )

    check("each command has its own output, input and exit code, one after the other", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const shell = yield* sandbox.shell()
        const results = yield* Effect.forEach(
          [1, 2, 3, 4],
          (n) => shell.exec(`n=$((\${n:-0} + 1)); echo "$n" ; echo "e${n}" >&2; exit ${n}`),
          { concurrency: "unbounded" },
        )
        assert.deepStrictEqual(
          results.map(({ stdout, stderr, exitCode }) => [stdout, stderr, exitCode]),
          [1, 2, 3, 4].map((n) => [`${n}\n`, `e${n}\n`, n]),
        )
        const pieces: Array<string> = []
        const fed = yield* shell.exec("read -r a; read -r b; echo $b$a", {
          stdin: "one\ntwo\n",
          onOutput: ({ bytes }) => Effect.sync(() => pieces.push(Buffer.from(bytes).toString())),
        })
        assert.strictEqual(fed.stdout, "twoone\n")
        assert.strictEqual(pieces.join(""), "twoone\n")
        const long = yield* shell.exec("i=0; while [ $i -lt 500 ]; do echo $i; i=$((i+1)); done", {
          outputLimit: 100,
        })
        assert.isTrue(long.truncated)
        assert.isBelow(long.stdout.length, 200)
        assert.strictEqual((yield* shell.exec("echo $a $i")).stdout, "one 500\n")
        // What is wrong with a script is the script's own fault.
        const broken = yield* shell.exec("echo 'unclosed")
        assert.notStrictEqual(broken.exitCode, 0)
        assert.strictEqual(broken.stdout, "")
        assert.strictEqual((yield* shell.exec("echo $i # no more")).stdout, "500\n")
        assert.strictEqual(yield* tagOf(shell.exec(" ")), "InvalidInput")
        assert.strictEqual(yield* tagOf(shell.exec("a\0b")), "InvalidInput")
        assert.strictEqual(yield* tagOf(shell.exec("true", { timeout: -1 })), "InvalidInput")
      }),
    )

    check("a shell is as it was before a command that timed out or was interrupted", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const shell = yield* sandbox.shell()
        yield* shell.exec("x=before; cd /tmp")
        const late = yield* shell.exec("echo begun; x=after; cd /; while :; do :; done", {
          timeout: 700,
        })
        assert.deepInclude(late, { timedOut: true, exitCode: 137, anew: false })
        assert.strictEqual((yield* shell.exec("echo $? $x $PWD")).stdout, "137 before /tmp\n")
        const interrupted = yield* Effect.forkChild(
          shell.exec("x=after; touch /work/begun; sleep 1000"),
          { startImmediately: true },
        )
        if (lack === undefined) yield* until(sandbox.files.exists("begun"))
        yield* Fiber.interrupt(interrupted)
        assert.strictEqual((yield* shell.exec("echo $x $PWD")).stdout, "before /tmp\n")
      }),
    )

    check(
      "a timeout ends what its command started, and nothing that others left running",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const shell = yield* sandbox.shell()
          yield* shell.exec("sleep 7101 & (while :; do echo noise; sleep 0.05; done) &")
          const late = yield* shell.exec(
            "sleep 7102 & (setsid env -i sleep 7102 &); echo out; trap '' TERM; sleep 7102",
            { timeout: 700 },
          )
          assert.deepInclude(late, { timedOut: true, stdout: "out\n", stderr: "" })
          assert.strictEqual(yield* running(sandbox, "^sleep 7102"), 0)
          assert.strictEqual(yield* running(sandbox, "^sleep 7101"), 1)
          assert.strictEqual((yield* shell.exec("echo mine")).stdout, "mine\n")
        }),
      lack,
    )

    check(
      "a shell goes on after a command that kills, replaces or silences its process",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const shell = yield* sandbox.shell()
          yield* shell.exec("x=kept; PATH=/nowhere")
          for (const script of [
            "x=lost; kill -9 $$",
            "x=lost; exec /bin/true",
            "exec >&- 2>&- <&-",
            "set -e; false",
            "set +e; trap 'echo bye' EXIT",
            "_cordon_s=z; _cordon_f=/nowhere",
            "set -C; IFS=/",
            "unset IFS PWD OLDPWD; set -x; set +x",
          ]) {
            yield* shell.exec(script)
            const { stdout } = yield* shell.exec("echo $x")
            assert.strictEqual(stdout, "kept\n", script)
          }
        }),
      lack,
    )

    check("a shell whose folder is gone goes on where it began, and says so", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const shell = yield* sandbox.shell()
        yield* shell.exec("mkdir /work/gone; cd /work/gone")
        yield* sandbox.files.remove("gone")
        const { stdout, stderr } = yield* shell.exec("pwd")
        assert.strictEqual(stdout, "/work\n")
        assert.include(stderr, "The folder /work/gone is gone")
        assert.strictEqual((yield* shell.exec("pwd")).stderr, "")
      }),
    )

    check(
      "a shell whose state is gone begins anew, and says so",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const shell = yield* sandbox.shell({ cwd: "/tmp", env: { OPENED: "yes" } })
          const lose = sandbox.run("rm -f /tmp/.cordon-shell-*")
          const breaking = [
            "rm -f /tmp/.cordon-shell-*.[ab]",
            "for file in /tmp/.cordon-shell-*; do echo broken >$file; done",
            "chown 1000 /tmp/.cordon-shell-*",
          ]
          yield* shell.exec("x=1; cd /")
          // What a command itself takes away, its end brings back, for nobody else to read.
          yield* shell.exec("umask 000; rm -f /tmp/.cordon-shell-*")
          assert.strictEqual((yield* shell.exec("echo $x; umask")).stdout, "1\n0000\n")
          const modes = yield* sandbox.run("stat -c %a /tmp/.cordon-shell-* | sort -u")
          assert.strictEqual(modes.stdout, "600\n")
          yield* lose
          const again = yield* shell.exec('echo "$x $OPENED $PWD"; cat', { stdin: "in" })
          assert.deepInclude(again, { stdout: " yes /tmp\nin", anew: true })
          assert.deepInclude(yield* shell.exec("exit 198"), { exitCode: 198, anew: false })
          for (const broken of breaking) {
            yield* sandbox.run(broken)
            assert.deepInclude(yield* shell.exec("echo on"), { stdout: "on\n", anew: true })
            assert.deepInclude(yield* shell.exec("echo on"), { stdout: "on\n", anew: false })
          }
          yield* lose
          const stdin = Stream.succeed(new TextEncoder().encode("once"))
          assert.strictEqual(yield* tagOf(shell.exec("cat", { stdin })), "ShellUnavailable")
          assert.deepInclude(yield* shell.exec("echo on"), { stdout: "on\n", anew: false })
        }),
      lack,
    )

    check("two shells share nothing, and each is closed with its scope", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox()
        const one = yield* sandbox.shell({ cwd: "/tmp" })
        const closed = yield* Effect.scoped(
          Effect.gen(function* () {
            const other = yield* sandbox.shell()
            yield* one.exec("x=1")
            const empty = yield* other.exec(`echo "\${x-none}"; pwd`)
            assert.strictEqual(empty.stdout, "none\n/work\n")
            const busy = yield* Effect.forkDetach(
              Effect.exit(other.exec("touch busy; sleep 1000")),
              { startImmediately: true },
            )
            if (lack === undefined) yield* until(sandbox.files.exists("busy"))
            return { other, busy }
          }),
        )
        const ended = yield* Fiber.join(closed.busy)
        assert.isTrue(Exit.isFailure(ended))
        assert.strictEqual(yield* tagOf(closed.other.exec("true")), "Closed")
        assert.strictEqual((yield* one.exec("echo $x")).stdout, "1\n")
        if (lack === undefined) assert.lengthOf(yield* stateFiles(sandbox), 3)
        assert.strictEqual(yield* tagOf(Effect.scoped(sandbox.shell({ cwd: "no" }))), "InvalidPath")
        const user = "no such user"
        assert.strictEqual(yield* tagOf(Effect.scoped(sandbox.shell({ user }))), "InvalidInput")
      }),
    )

    check("the state of a shell holds no secrets", () =>
      Effect.gen(function* () {
        const sandbox = yield* makeSandbox({ secrets: { TOKEN: "very-secret" } })
        const shell = yield* sandbox.shell()
        assert.strictEqual((yield* shell.exec("echo $TOKEN; x=1")).stdout, "very-secret\n")
        yield* shell.exec("TOKEN=other; x=2")
        assert.strictEqual((yield* shell.exec("echo $TOKEN $x")).stdout, "very-secret 2\n")
        if (lack !== undefined) return
        const found = yield* sandbox.run("cat /tmp/.cordon-shell-* | grep -c secret; true")
        assert.strictEqual(found.stdout, "0\n")
        // A value that can't be taken away is not written down, nor is anything else then.
        const fixed = yield* shell.exec("readonly TOKEN; x=3")
        assert.include(fixed.stderr, "could not keep")
        assert.strictEqual((yield* shell.exec("echo $x")).stdout, "2\n")
      }),
    )

    check(
      "the state of a shell is its user's alone, and lives as long as the sandbox's files",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const shell = yield* sandbox.shell({ user: "1234:4321", cwd: "/tmp" })
          assert.strictEqual((yield* shell.exec("id -u; id -g; x=1")).stdout, "1234\n4321\n")
          const [file] = yield* stateFiles(sandbox)
          const theirs = yield* sandbox.exec(`: <${file}; echo x >${file}`, { user: "1235" })
          assert.notStrictEqual(theirs.exitCode, 0)
          yield* sandbox.stop
          yield* sandbox.start
          const { stdout, anew } = yield* shell.exec(`echo "\${x-none}"`)
          assert.strictEqual(stdout, anew ? "none\n" : "1\n")
        }),
      lack,
    )
  })
}
