import { EngineError } from "@cordon/core"
import { Effect, Option, Schema } from "effect"
import { isEngineError } from "./failures.ts"

/** The stat of a path in a container. A link is not followed. */
export interface PathStat {
  /** What the path itself is; `other` stands for folders too. */
  readonly kind: "file" | "link" | "other"
  /** The final target of a link, as a path in the container. */
  readonly target: string
}

/** The header in which the engine returns it. */
export const pathStatHeader = "x-docker-container-path-stat"

const Said = Schema.fromJsonString(
  Schema.Struct({ mode: Schema.Number, linkTarget: Schema.optionalKey(Schema.String) }),
)

// Go's bits of a file's mode: https://pkg.go.dev/io/fs#FileMode
const links = 2 ** 27
const others = 2 ** 31 + 2 ** 26 + 2 ** 25 + 2 ** 24 + 2 ** 21 + 2 ** 19
// Bitwise operators would read the highest bit as a sign.
const has = (mode: number, bits: number) => (BigInt(mode) & BigInt(bits)) !== 0n

/** Reads the header's value. */
export const readPathStat = (operation: string, value: unknown) =>
  Schema.decodeUnknownEffect(Schema.String)(value).pipe(
    Effect.flatMap((text) =>
      Schema.decodeUnknownEffect(Said)(Buffer.from(text, "base64").toString()),
    ),
    Effect.map(
      ({ mode, linkTarget = "" }): PathStat => ({
        kind: has(mode, links) ? "link" : has(mode, others) ? "other" : "file",
        target: linkTarget,
      }),
    ),
    Effect.mapError(
      ({ message }) =>
        new EngineError({
          operation,
          reason: { _tag: "NotUnderstood" },
          detail: `its answer is not what the Engine API documents: ${message}`,
        }),
    ),
  )

/** Turns "no such path" into none. */
export const orMissing = <E extends { readonly _tag: string }, R>(
  stat: Effect.Effect<PathStat, E | EngineError, R>,
): Effect.Effect<Option.Option<PathStat>, E | EngineError, R> =>
  Effect.catchIf(Effect.map(stat, Option.some), isEngineError("NotFound"), () =>
    Effect.succeed(Option.none()),
  )
