import { assert, describe } from "@effect/vitest"
import { Effect, Stream } from "effect"
import { type DriverStage, out } from "./stage.ts"

/** The shell and the locale of scripts, on an image that has bash and C.UTF-8. */
export const shellContract = ({ check, make }: DriverStage) =>
  describe("shell and locale", () => {
    // More than goes with a command: drivers may run such a one in another way.
    const stdin = Stream.succeed(new TextEncoder().encode("x".repeat(10_000)))
    check("a script runs under bash where the image has it", () =>
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

    check("scripts and programs see the UTF-8 locale of the image", () =>
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

    check("a locale that the caller has set stays", () =>
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
