import type { HostError } from "@cordon/core"
import type { Filters } from "@cordon/driver-docker"
import {
  type EngineCall,
  type EngineClient,
  schemas as engine,
  isEngineError,
  messages,
} from "@cordon/driver-docker/engine"
import { Clock, Effect, Option, type Redacted, Schedule, Schema, type Stream } from "effect"
import * as schemas from "./schemas.ts"

const filtered = (filters: Filters) => ({ filters: JSON.stringify(filters) })
const of = encodeURIComponent

/** As the Engine API has it; the name is what decides races. */
export interface Specification {
  readonly Name: string
  readonly [field: string]: unknown
}

type LabelChange = Readonly<Record<string, string | undefined>>

const readLabels = Schema.decodeUnknownOption(
  Schema.Struct({ Labels: Schema.Record(Schema.String, Schema.String) }),
)

export const labelsOf = ({ Spec }: schemas.WholeService): Readonly<Record<string, string>> =>
  Option.match(readLabels(Spec), { onNone: () => ({}), onSome: ({ Labels }) => Labels })

/** Somebody else changed the service between the look and the update. */
export const isOutdated = isEngineError("Outdated")

/** It can't be asked: it is away, or no manager (any more, or yet). */
const isElsewhere = (error: HostError) =>
  error._tag === "EngineUnreachable" || isEngineError("NotManager")(error)

// An election takes a few seconds; half a minute without one means that most managers are gone.
const electing = Schedule.max([Schedule.spaced("500 millis"), Schedule.recurs(60)])

/**
 * The swarm's side of the Engine API, through whichever manager answers: each passes on to the
 * leader. A call may so be made twice; names and versions keep that from doing anything twice.
 */
export const makeManager = (managers: readonly [EngineClient, ...ReadonlyArray<EngineClient>]) => {
  let current = 0

  const through = <A>(call: (http: EngineClient) => Effect.Effect<A, HostError>) => {
    const attempt = (left: number): Effect.Effect<A, HostError> =>
      Effect.suspend(() => {
        const tried = current
        return call(managers[tried] ?? managers[0]).pipe(
          Effect.catchIf(isElsewhere, (error) => {
            // The first caller that fails switches to the next manager for all callers.
            if (current === tried) current = (tried + 1) % managers.length
            return left > 1 ? attempt(left - 1) : Effect.fail(error)
          }),
        )
      })
    return attempt(managers.length).pipe(
      Effect.retry({ schedule: electing, while: isEngineError("NoLeader") }),
    )
  }

  const ask = <S extends Schema.Constraint & { readonly DecodingServices: never }>(
    call: EngineCall,
    schema: S,
  ) => through((http) => http.ask(call, schema))
  const run = (call: EngineCall) => through((http) => http.run(call))

  const serviceRead = (id: string) =>
    ask(
      { operation: "inspect a service", method: "GET", path: `/services/${of(id)}` },
      schemas.WholeService,
    )

  /** As `serviceLabel`, unless somebody changed the service since it was read: see {@link isOutdated}. */
  const serviceWrite = (service: schemas.WholeService, labels: LabelChange) => {
    const wanted = Object.entries({ ...labelsOf(service), ...labels }).filter(
      ([, value]) => value !== undefined,
    )
    return run({
      operation: "label a service",
      method: "POST",
      path: `/services/${of(service.ID)}/update`,
      query: { version: String(service.Version.Index) },
      body: { ...service.Spec, Labels: Object.fromEntries(wanted) },
    })
  }

  return {
    /** The managers' addresses, for people. */
    endpoint: managers.map(({ endpoint }) => endpoint).join(", "),
    version: ask(
      { operation: "read the engine's version", method: "GET", path: "/version" },
      engine.EngineVersion,
    ),
    /** Milliseconds since the epoch by a manager's clock: ours may be minutes away from it. */
    now: Effect.flatMap(
      ask(
        { operation: "read the engine's capabilities", method: "GET", path: "/info" },
        engine.EngineInfo,
      ),
      ({ SystemTime }) =>
        SystemTime ? Effect.succeed(Date.parse(SystemTime)) : Clock.currentTimeMillis,
    ),
    swarm: ask({ operation: "look at the swarm", method: "GET", path: "/swarm" }, schemas.Swarm),
    nodes: ask(
      { operation: "list the swarm's nodes", method: "GET", path: "/nodes" },
      Schema.Array(schemas.Node),
    ),
    /** @returns the service's ID */
    serviceCreate: (spec: Specification, registryAuth?: Redacted.Redacted<string>) =>
      Effect.map(
        ask(
          {
            operation: "create a service",
            method: "POST",
            path: "/services/create",
            body: spec,
            registryAuth,
          },
          schemas.ServiceCreated,
        ),
        ({ ID }) => ID,
      ),
    /** Asks an image's registry for it, with credentials where some are given, and pulls nothing. */
    askRegistry: (image: string, registryAuth?: Redacted.Redacted<string>) =>
      run({
        operation: "ask a registry",
        method: "GET",
        path: `/distribution/${image}/json`,
        registryAuth,
      }),
    serviceInspect: (id: string) =>
      ask(
        { operation: "inspect a service", method: "GET", path: `/services/${of(id)}` },
        schemas.Service,
      ),
    serviceList: (filters: Filters) =>
      ask(
        { operation: "list services", method: "GET", path: "/services", query: filtered(filters) },
        Schema.Array(schemas.Service),
      ),
    serviceRead,
    serviceWrite,
    /** Sets labels of a service, or takes them away where undefined; its task goes on untouched. */
    serviceLabel: (id: string, labels: LabelChange) =>
      serviceRead(id).pipe(
        Effect.flatMap((service) => serviceWrite(service, labels)),
        Effect.retry({ times: 10, while: isOutdated }),
      ),
    serviceRemove: (id: string) =>
      run({ operation: "remove a service", method: "DELETE", path: `/services/${of(id)}` }),
    taskList: (filters: Filters) =>
      ask(
        { operation: "list tasks", method: "GET", path: "/tasks", query: filtered(filters) },
        Schema.Array(schemas.Task),
      ),
    taskInspect: (id: string) =>
      ask({ operation: "inspect a task", method: "GET", path: `/tasks/${of(id)}` }, schemas.Task),
    /** @returns the network's ID */
    networkCreate: (spec: Specification) =>
      Effect.map(
        ask(
          { operation: "create a network", method: "POST", path: "/networks/create", body: spec },
          engine.Created,
        ),
        ({ Id }) => Id,
      ),
    networkInspect: (id: string) =>
      ask(
        { operation: "inspect a network", method: "GET", path: `/networks/${of(id)}` },
        schemas.Network,
      ),
    networkList: (filters: Filters) =>
      ask(
        { operation: "list networks", method: "GET", path: "/networks", query: filtered(filters) },
        Schema.Array(schemas.Network),
      ),
    networkRemove: (id: string) =>
      run({ operation: "remove a network", method: "DELETE", path: `/networks/${of(id)}` }),
    /** Of services and nodes, until the connection to the manager breaks. */
    get events(): Stream.Stream<engine.EngineEvent, HostError> {
      const operation = "watch the swarm's events"
      const call = {
        operation,
        method: "GET",
        path: "/events",
        query: filtered({ scope: ["swarm"], type: ["service", "node"] }),
      } as const
      const http = managers[current] ?? managers[0]
      return messages(http.stream(call, "unbounded"), operation, engine.EngineEvent)
    },
  }
}
export type Manager = ReturnType<typeof makeManager>
