import { EngineUnreachable } from "@cordon/core"
import { Effect } from "effect"

/** Docker Engine 20.10 and Podman 4 have it. */
const oldest = [1, 41] as const
/** The newest that Cordon knows; newer engines speak it too. */
const newest = [1, 47] as const

const isBefore = (a: readonly [number, number], b: readonly [number, number]) =>
  a[0] < b[0] || (a[0] === b[0] && a[1] < b[1])

const parse = (text: unknown): readonly [number, number] | undefined => {
  const match = typeof text === "string" ? /^(\d+)\.(\d+)$/.exec(text) : null
  return match === null ? undefined : [Number(match[1]), Number(match[2])]
}

/** Reads the answer to a ping: the newest version of the API that both know, as a path's prefix. */
export const negotiate = Effect.fnUntraced(function* (
  endpoint: string,
  { status, headers, text }: Ping,
): Effect.fn.Return<string, EngineUnreachable> {
  const refuse = (reason: string) => new EngineUnreachable({ endpoint, reason })
  const offered = parse(headers["api-version"])
  if (status === 400 && /HTTP request to an HTTPS server/i.test(text)) {
    return yield* refuse("it speaks TLS only; use https:// or give the driver's tls option")
  }
  if (status !== 200 || offered === undefined) {
    return yield* refuse(
      `the server there is not a Docker Engine (its answer to a ping has status ${status}${offered === undefined ? " without an Api-Version" : ""})`,
    )
  }
  if (isBefore(offered, oldest)) {
    return yield* refuse(
      `the engine is too old: it speaks API ${offered.join(".")}, and at least ${oldest.join(".")} is needed (Docker Engine 20.10)`,
    )
  }
  return `/v${(isBefore(offered, newest) ? offered : newest).join(".")}`
})

interface Ping {
  readonly status: number
  readonly headers: Readonly<Record<string, string | ReadonlyArray<string> | undefined>>
  readonly text: string
}
