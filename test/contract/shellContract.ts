import { SandboxDriver } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Stream } from "effect"
import type { DriverNeeds } from "./DriverNeeds.ts"

type Needs = Pick<DriverNeeds, "check" | "make" | "out">

/** What runs a script, and in which language: on an image that has bash and the locale C.UTF-8. */
export const shellContract = ({ check, make, out }: Needs) => {
  // More than goes with a command: drivers may run such a one in another way.
  const stdin = Stream.succeed(new TextEncoder().encode("x".repeat(10_000)))

  describe("shell and language", () => {
    check("runs a script under bash, so that a failing test is not reported as passed", () =>
      Effect.gen(function* () {
        const id = yield* make()
        const script = `false &> log && echo PASSED; [[ -n $BASH_VERSION ]] && echo "\${0##*/}"`
        assert.strictEqual(yield* out(id, script), "bash\n")
        assert.strictEqual(yield* out(id, `cat >/dev/null; ${script}`, { stdin }), "bash\n")
        const piped = "set -o pipefail; false | cat; echo $?"
        assert.strictEqual(yield* out(id, piped, { env: { A: "1" }, cwd: "/tmp" }), "1\n")
        // What the shell was found by is not the command's to see.
        assert.strictEqual(yield* out(id, "set | grep -c '^_cordon'; true"), "0\n")
      }),
    )

    check("tells scripts and programs of the image's UTF-8 locale", () =>
      Effect.gen(function* () {
        const id = yield* make()
        assert.strictEqual(yield* out(id, "printenv LANG"), "C.UTF-8\n")
        assert.strictEqual(yield* out(id, ["printenv", "LANG"]), "C.UTF-8\n")
        assert.strictEqual(yield* out(id, "cat >/dev/null; printenv LANG", { stdin }), "C.UTF-8\n")
        const program = ["sh", "-c", "cat >/dev/null; printenv LANG"] as const
        assert.strictEqual(yield* out(id, program, { stdin }), "C.UTF-8\n")
        assert.strictEqual(yield* out(id, `x=ü; echo \${#x}`), "1\n")
      }),
    )

    check("says who its user is, with the home that commands find", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        for (const more of [{}, { env: { HOME: "/elsewhere" } }]) {
          const id = yield* make(more)
          const { uid, gid, groups, home } = yield* driver.identify(id)
          assert.deepStrictEqual([uid, gid, groups], [0, 0, []])
          assert.strictEqual(yield* out(id, 'printf %s "$HOME"'), home)
        }
      }),
    )

    check("leaves a language alone that the program has chosen", () =>
      Effect.gen(function* () {
        const languages = 'echo "$LANG-$LC_ALL-$LC_CTYPE"'
        const id = yield* make()
        assert.strictEqual(yield* out(id, languages, { env: { LANG: "C" } }), "C--\n")
        assert.strictEqual(yield* out(id, languages, { env: { LC_ALL: "POSIX" } }), "-POSIX-\n")
        const other = yield* make({ env: { LC_CTYPE: "C" } })
        assert.strictEqual(yield* out(other, languages), "--C\n")
        assert.strictEqual(yield* out(other, ["sh", "-c", languages], { stdin }), "--C\n")
      }),
    )
  })
}
