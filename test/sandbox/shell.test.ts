import { ExecEvent, type ExecRequest, type SandboxDriver } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Exit, Scope, Stream } from "effect"
import { exit, sessionWith } from "../support/capableDriver.ts"

const textOf = ({ command }: Pick<ExecRequest, "command">) =>
  typeof command === "string" ? command : command.join(" ")

/** The name of the file that a shell's first script makes, where the request is that. */
const nameIn = (request: ExecRequest) =>
  /_cordon_d\/(\.cordon-shell-[0-9a-f]{32})"/.exec(textOf(request))?.[1]

/** A session whose sandboxes' commands end as `answer` says, and the requests of them. */
const answering = (
  answer: (request: ExecRequest) => ReadonlyArray<ExecEvent>,
  more: Partial<SandboxDriver["Service"]> = {},
) =>
  Effect.gen(function* () {
    const asked: Array<ExecRequest> = []
    const session = yield* sessionWith(() => ({
      shells: undefined,
      exec: (_, request) => {
        asked.push(request)
        return Stream.fromIterable(answer(request))
      },
      ...more,
    }))
    return { session, asked }
  })

const says = (text: string) => ExecEvent.Stdout({ bytes: new TextEncoder().encode(text) })

/** How a shell begins, where it is asked to. */
const opens = (request: ExecRequest, noise = "") => {
  const name = nameIn(request)
  return name === undefined ? undefined : [says(`${noise}/tmp/${name}\n`), exit()]
}

describe("A lasting shell", () => {
  it.live(
    "fails with ShellUnavailable when no folder is writable or the shell does not start",
    () =>
      Effect.gen(function* () {
        const stderr = ExecEvent.Stderr({ bytes: new TextEncoder().encode("no such shell") })
        for (const [events, told] of [
          [[exit({ exitCode: 97 })], "no folder takes the files"],
          [[exit({ exitCode: 137, timedOut: true })], "it did not begin in time"],
          [[says("/tmp/.cordon-shell-0\n"), exit()], "no folder"],
          [[stderr, exit({ exitCode: 127 })], "no such shell"],
        ] as const) {
          const { session } = yield* answering(() => events)
          const sandbox = yield* session.create()
          const error = yield* Effect.flip(Effect.scoped(sandbox.shell()))
          assert.strictEqual(error._tag, "ShellUnavailable")
          assert.include(error.message, told)
        }
      }).pipe(Effect.scoped),
  )

  it.live("finds its state file despite other output, and removes it when its scope closes", () =>
    Effect.gen(function* () {
      const noise = "noise of BASH_ENV\n/tmp/.cordon-shell-\n"
      const { session, asked } = yield* answering((request) => opens(request, noise) ?? [exit()])
      const sandbox = yield* session.create()
      const scope = yield* Scope.make()
      const shell = yield* Scope.provide(sandbox.shell({ user: "1000" }), scope)
      yield* shell.exec("true")
      yield* Scope.close(scope, Exit.void)
      const last = asked.at(-1) ?? { command: "" }
      assert.match(textOf(last), /^rm -f -- \/tmp\/\.cordon-shell-[0-9a-f]{32} /)
      assert.deepInclude(last, { user: "1000" })
      assert.strictEqual((yield* Effect.flip(shell.exec("true")))._tag, "Closed")
      assert.lengthOf(asked, 3)
    }).pipe(Effect.scoped),
  )

  it.live("is restarted at most once for a command whose state is lost", () =>
    Effect.gen(function* () {
      const { session, asked } = yield* answering(
        (request) => opens(request) ?? [exit({ exitCode: 198 })],
      )
      const shell = yield* (yield* session.create()).shell()
      const error = yield* Effect.flip(shell.exec("true"))
      assert.strictEqual(error._tag, "ShellUnavailable")
      // Each time a look at the state follows.
      assert.lengthOf(asked, 6)
    }).pipe(Effect.scoped),
  )

  it.live("passes the last exit code to the next command, and writes no secret into a script", () =>
    Effect.gen(function* () {
      const { session, asked } = yield* answering(
        (request) => opens(request) ?? [exit({ exitCode: 5 })],
      )
      const sandbox = yield* session.create({ secrets: { TOKEN: "very-secret" } })
      const shell = yield* sandbox.shell()
      yield* shell.exec("one 'quoted'")
      yield* shell.exec("two")
      const scripts = asked.map(textOf)
      assert.notInclude(scripts.join(), "very-secret")
      assert.include(scripts[1], "eval 'one '\\''quoted'\\'''")
      assert.notInclude(scripts[1], "(exit ")
      assert.include(scripts[2], "(exit 5)")
      for (const script of scripts) assert.include(script, "unset -v TOKEN||exit 1")
      for (const { env } of asked) assert.deepInclude(env, { TOKEN: "very-secret" })
      const long = yield* Effect.flip(shell.exec("'".repeat(40_000)))
      assert.include(long.message, "longer than 128 KiB")
    }).pipe(Effect.scoped),
  )
})
