import type { EngineReason, HostError } from "@cordon/core"
import { Effect, type Redacted, type Schema, type Scope, type Stream } from "effect"
import type { ExecConnection } from "../DockerEngine.ts"
import { decodeAnswer } from "./schemas.ts"
import type { Operation } from "./statusReasons.ts"

/** A call of the Engine API. */
export interface EngineCall {
  /** For errors: `create a container`. */
  readonly operation: Operation
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE"
  /** Without the version: `/containers/create`. */
  readonly path: string
  readonly query?: Readonly<Record<string, string>> | undefined
  /** Sent as JSON; bytes are sent as they are, as a tar archive. */
  readonly body?: unknown
  /** Whether it may be sent again when its answer got lost. Default: all but POST. */
  readonly idempotent?: boolean | undefined
  /** The value of `X-Registry-Auth`: credentials for the registry of the image that it is about. */
  readonly registryAuth?: Redacted.Redacted<string> | undefined
  /**
   * Why the engine refuses it where it was sent again and had been done before. Default: `NotFound` for
   * DELETE.
   */
  readonly wasDone?: EngineReason["_tag"] | undefined
}

/** Headers by their names in lower case. */
export type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/**
 * A way to one engine: what a local socket and HTTP over a network each do in their own way. A call fails
 * with `EngineUnreachable`, or, where the engine refused it, with an `EngineError` that has the reason.
 */
export interface EngineTransport {
  /** Where the engine is, for people. */
  readonly endpoint: string
  /** Makes a call. @returns the JSON of its answer; undefined where there is none */
  readonly call: (call: EngineCall) => Effect.Effect<unknown, HostError>
  /** Makes a call whose answer is its headers. */
  readonly head: (call: EngineCall) => Effect.Effect<Headers, HostError>
  /** A long answer; leaving it closes its connection. `silence` says whether the time within it is bounded. */
  readonly stream: (
    call: EngineCall,
    silence: "bounded" | "unbounded",
  ) => Stream.Stream<Uint8Array, HostError>
  /** Takes over the connection of a call; the scope's end closes it. */
  readonly upgrade: (call: EngineCall) => Effect.Effect<ExecConnection, HostError, Scope.Scope>
}

type Schematic = Schema.Constraint & { readonly DecodingServices: never }

/** The Engine API over one way to an engine, with answers that are checked. */
export interface EngineClient extends Omit<EngineTransport, "call"> {
  /** A call that answers with JSON of this shape. */
  readonly ask: <S extends Schematic>(
    call: EngineCall,
    schema: S,
  ) => Effect.Effect<S["Type"], HostError>
  /** A call whose answer has nothing to read. */
  readonly run: (call: EngineCall) => Effect.Effect<void, HostError>
}

/** The Engine API over a way to an engine. */
export const engineClient = ({ call: send, ...transport }: EngineTransport): EngineClient => ({
  ...transport,
  ask: (call, schema) => Effect.flatMap(send(call), decodeAnswer(call.operation, schema)),
  run: (call) => Effect.asVoid(send(call)),
})

/** The path of a call with its query. */
export const pathOf = ({ path, query = {} }: EngineCall): string => {
  const parameters = new URLSearchParams(query).toString()
  return parameters === "" ? path : `${path}?${parameters}`
}

/** A signal for Node's calls that is aborted at the end of the scope. */
export const abortedAtEnd: Effect.Effect<AbortSignal, never, Scope.Scope> = Effect.map(
  Effect.acquireRelease(
    Effect.sync(() => new AbortController()),
    (leaving) => Effect.sync(() => leaving.abort()),
  ),
  ({ signal }) => signal,
)
