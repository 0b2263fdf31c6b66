import { Schema } from "effect"
import { quote } from "./quote.ts"
import { TaggedError } from "./TaggedError.ts"

/** Nothing that speaks the engine's protocol answered at the endpoint. */
export class EngineUnreachable extends TaggedError<EngineUnreachable>()("EngineUnreachable", {
  /** The engine's address, or the Docker context that was to lead to it. */
  endpoint: Schema.String,
  /** Why, in words that follow a colon. */
  reason: Schema.String,
  /**
   * Whether what was asked arrived, where that is known:
   * - `never`: nothing of it was begun, so it may be asked again.
   * - `perhaps`: it may have been done, or may be under way.
   * - `yes`: it was begun, and how it ended is not known.
   */
  delivered: Schema.optionalKey(Schema.Literals(["never", "perhaps", "yes"])),
}) {
  override get message() {
    return `The container engine at ${this.endpoint} does not answer: ${this.reason}. Check that it runs and that this program may use it; npx @cordon/cli doctor shows what is wrong.`
  }
}

/**
 * Why an engine did not do what it was asked to:
 * - `NotModified`: it is so already: a started container that was to be started.
 * - `NotFound`: there is no such container, image, network, service or task.
 * - `NetworkNotFound`: the network that a container was to be on is gone.
 * - `NameTaken`: something else has the name.
 * - `NotRunning`, `Paused`: it takes a running container.
 * - `InUse`: an image or a network that a container uses.
 * - `InProgress`: the same removal is under way already.
 * - `Conflict`: the state of something stands in the way, and nothing above says how.
 * - `SubnetTaken`: another network has these addresses.
 * - `CpusRefused`, `DiskLimitRefused`, `UlimitsRefused`: the engine can't hold a container to that.
 * - `NoSpace`: the engine's disk is full.
 * - `Outdated`: somebody else changed the service since it was read.
 * - `NoLeader`, `NotManager`: the swarm has no leader for now; this engine is no manager of it.
 * - `ApiVersion`: the engine does not speak the version of its API that was agreed on.
 * - `Rejected`: another status from 400 to 499.
 * - `Failed`: another failure; `detail` has the engine's words.
 * - `NotUnderstood`: its answer is not what the Engine API documents.
 * - `OutcomeUnknown`: the answer got lost; what was asked for may or may not have been done.
 * - `NotDone`: the engine did not refuse; Cordon could not, or would not, do it.
 */
export const EngineReason = Schema.TaggedUnion({
  NotModified: {},
  NotFound: {},
  NetworkNotFound: {},
  NameTaken: {},
  NotRunning: {},
  Paused: {},
  InUse: {},
  InProgress: {},
  Conflict: {},
  SubnetTaken: {},
  CpusRefused: {},
  DiskLimitRefused: {},
  UlimitsRefused: {},
  NoSpace: {},
  Outdated: {},
  NoLeader: {},
  NotManager: {},
  ApiVersion: {},
  Rejected: {},
  Failed: {},
  NotUnderstood: {},
  OutcomeUnknown: {},
  NotDone: {},
})
export type EngineReason = typeof EngineReason.Type

/**
 * The engine answered with an error that has no class of its own. `Effect.catchReason` tells its reasons apart.
 *
 * @example
 * yield* session.create({ name: "web" }).pipe(
 *   Effect.catchReason("EngineError", "NoSpace", () => Effect.logError("The host's disk is full")),
 * )
 */
export class EngineError extends TaggedError<EngineError>()("EngineError", {
  /** What was to be done, as a verb and its object: `start the sandbox`. */
  operation: Schema.String,
  /** The kind of failure, which says whether another try can help. */
  reason: EngineReason,
  /** HTTP status of the engine's answer; absent where there was none. */
  status: Schema.optionalKey(Schema.Number),
  /** What went wrong: in the engine's words, unless {@link EngineError.isInOwnWords}. */
  detail: Schema.String,
}) {
  override get message() {
    if (this.reason._tag === "NotDone") return `Cordon could not ${this.operation}: ${this.detail}`
    const status = this.status === undefined ? "" : ` (status ${this.status})`
    return `The container engine failed to ${this.operation}${status}: ${this.detail}`
  }

  /**
   * Whether `detail` is in Cordon's own words, fit to be shown to a model: what engines say may hold what
   * others told them, addresses and paths of the host, and names of other sessions' sandboxes.
   */
  get isInOwnWords(): boolean {
    return this.reason._tag === "NotDone" || this.reason._tag === "OutcomeUnknown"
  }

  /** Something that Cordon could not do, though no engine refused it. @param detail fit for a model */
  static notDone(operation: string, detail: string): EngineError {
    return new EngineError({ operation, reason: { _tag: "NotDone" }, detail })
  }
}

/** The host does not offer the runtime that was asked for. */
export class RuntimeUnavailable extends TaggedError<RuntimeUnavailable>()("RuntimeUnavailable", {
  /** The runtime that was asked for. */
  runtime: Schema.String,
  /** The runtimes that the host offers. */
  available: Schema.Array(Schema.String),
}) {
  override get message() {
    return `Runtime ${quote(this.runtime)} is not available on this host, which offers: ${this.available.join(", ") || "none"}. Choose one of those, or register it with the engine.`
  }
}

/** The driver can't do this for any sandbox. */
export class Unsupported extends TaggedError<Unsupported>()("Unsupported", {
  /** As a driver's capabilities name it. */
  feature: Schema.String,
  /** The driver's name, such as `docker-swarm`. */
  driver: Schema.String,
}) {
  override get message() {
    return `The ${this.driver} driver does not support ${this.feature}. Do without, or use a driver whose capabilities list ${this.feature}.`
  }
}
