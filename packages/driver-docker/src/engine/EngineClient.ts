import type { EngineReason, HostError } from "@cordon/core"
import { Effect, type Redacted, type Schema, type Scope, type Stream } from "effect"
import type { ExecConnection } from "../DockerEngine.ts"
import { decodeAnswer } from "./schemas.ts"
import type { Operation } from "./statusReasons.ts"

/** A call of the Engine API. */
export interface EngineCall {
  /** The name of the operation in errors: `create a container`. */
  readonly operation: Operation
  /** The HTTP method. */
  readonly method: "GET" | "HEAD" | "POST" | "PUT" | "DELETE"
  /** The path without the API version: `/containers/create`. */
  readonly path: string
  /** The parameters of the query; none where absent. */
  readonly query?: Readonly<Record<string, string>> | undefined
  /** The body, sent as JSON. Bytes are sent unchanged, as a tar archive. */
  readonly body?: unknown
  /** Whether the call may be sent again when its answer got lost. Default: true, except for POST. */
  readonly idempotent?: boolean | undefined
  /** The value of `X-Registry-Auth`: credentials for the image's registry. */
  readonly registryAuth?: Redacted.Redacted<string> | undefined
  /**
   * The reason of the engine's refusal if the call is sent again after it was already done.
   * Default: `NotFound` for DELETE.
   */
  readonly wasDone?: EngineReason["_tag"] | undefined
}

/** Headers by lower-case name. */
export type Headers = Readonly<Record<string, string | ReadonlyArray<string> | undefined>>

/**
 * A connection to one engine, over a local socket or over HTTP on a network. A call fails with
 * `EngineUnreachable`, or with an `EngineError` that has the reason if the engine refused it.
 */
export interface EngineTransport {
  /** Where the engine is, for people. */
  readonly endpoint: string
  /** Makes a call. @returns the JSON of its answer; undefined if there is none */
  readonly call: (call: EngineCall) => Effect.Effect<unknown, HostError>
  /** Makes a call and returns the headers of its answer. */
  readonly head: (call: EngineCall) => Effect.Effect<Headers, HostError>
  /**
   * A streamed answer; ending the stream early closes its connection. `silence` says whether the
   * time between two pieces is bounded.
   */
  readonly stream: (
    call: EngineCall,
    silence: "bounded" | "unbounded",
  ) => Stream.Stream<Uint8Array, HostError>
  /** Makes a call and takes over its connection. The end of the scope closes the connection. */
  readonly upgrade: (call: EngineCall) => Effect.Effect<ExecConnection, HostError, Scope.Scope>
}

type Schematic = Schema.Constraint & { readonly DecodingServices: never }

/** The Engine API over one transport. Answers are validated. */
export interface EngineClient extends Omit<EngineTransport, "call"> {
  /** Makes a call whose answer is JSON of this shape. */
  readonly ask: <S extends Schematic>(
    call: EngineCall,
    schema: S,
  ) => Effect.Effect<S["Type"], HostError>
  /** Makes a call whose answer is not read. */
  readonly run: (call: EngineCall) => Effect.Effect<void, HostError>
}

/** The Engine API over a transport. */
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
