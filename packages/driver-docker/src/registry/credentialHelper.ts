import { type ChildProcess, spawn } from "node:child_process"
import { Duration, Effect, Option, Redacted, Schema } from "effect"

/** The answer of a Docker credential helper to `get`. */
const Answer = Schema.fromJsonString(
  Schema.Struct({ Username: Schema.String, Secret: Schema.String }),
)
const decodeAnswer = Schema.decodeUnknownOption(Answer)

// A keychain may ask a question, and nobody may be there to answer it.
const patience = Duration.seconds(15)
const mostBytes = 256 * 1024

/** A helper failed. The reason repeats nothing of its output. */
export class HelperFailed extends Schema.TaggedError<HelperFailed>()("HelperFailed", {
  helper: Schema.String,
  reason: Schema.String,
}) {}

interface Ended {
  readonly code: number | null
  readonly output: string
}

const end = (child: ChildProcess) => {
  child.stdin?.destroy()
  child.stdout?.destroy()
  child.kill("SIGKILL")
  child.unref()
}

/** Runs a helper to its end. Its standard error may hold secrets and is not read. */
const run = (program: string, input: string): Effect.Effect<Ended, string> =>
  Effect.callback<Ended, string>((resume) => {
    const child = spawn(program, ["get"], {
      stdio: ["pipe", "pipe", "ignore"],
      windowsHide: true,
    })
    const pieces: Array<Buffer> = []
    let size = 0
    child.stdout.on("data", (piece: Buffer) => {
      size += piece.length
      if (size <= mostBytes) return void pieces.push(piece)
      end(child)
      resume(Effect.fail("it wrote more than 256 KiB"))
    })
    child.on("error", (cause) =>
      resume(
        Effect.fail(
          "code" in cause && cause.code === "ENOENT"
            ? "it is not on the PATH of this program"
            : "it could not be started",
        ),
      ),
    )
    child.on("close", (code) =>
      resume(Effect.succeed({ code, output: Buffer.concat(pieces).toString() })),
    )
    // The helper may end without reading its input.
    child.stdin.on("error", () => {})
    child.stdin.end(input)
    return Effect.sync(() => end(child))
  }).pipe(
    Effect.timeoutOrElse({
      duration: patience,
      orElse: () => Effect.fail(`it did not answer within ${Duration.toSeconds(patience)} s`),
    }),
  )

/** The message of Docker's own helper library. */
const isMissing = (output: string) => /credentials not found/i.test(output)

/** Credentials from a helper. */
export interface HelperCredentials {
  /** `<token>` if the secret is an identity token. */
  readonly username: string
  readonly secret: Redacted.Redacted<string>
}

/** Asks `docker-credential-NAME` for the credentials of a registry; none if it has none. */
export const askHelper = Effect.fn("askCredentialHelper")(function* (
  name: string,
  registry: string,
): Effect.fn.Return<Option.Option<HelperCredentials>, HelperFailed> {
  const helper = `docker-credential-${name}`
  const failed = (reason: string) => new HelperFailed({ helper, reason })
  // The name becomes part of a program's name, so a name with a path in it is refused.
  if (!/^[\w][\w.-]*$/.test(name)) {
    return yield* new HelperFailed({
      helper: "docker-credential-...",
      reason:
        "its name in config.json must have only letters, digits, dots, hyphens and underscores",
    })
  }
  const { code, output } = yield* Effect.mapError(run(helper, registry), failed)
  if (code !== 0) {
    return isMissing(output)
      ? Option.none()
      : yield* failed(`it ended with ${code === null ? "a signal" : `exit code ${code}`}`)
  }
  const answer = decodeAnswer(output)
  if (Option.isNone(answer)) return yield* failed("its answer is not JSON with Username and Secret")
  const { Username, Secret } = answer.value
  return Secret === ""
    ? Option.none()
    : Option.some({ username: Username, secret: Redacted.make(Secret) })
})
