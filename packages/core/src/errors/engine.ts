import { Schema } from "effect"
import { TaggedError } from "../TaggedError.ts"
import { quote } from "./quote.ts"

/** Nothing that speaks the engine's protocol answered at the endpoint. */
export class EngineUnreachable extends TaggedError<EngineUnreachable>()("EngineUnreachable", {
  endpoint: Schema.String,
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
    return `The container engine at ${this.endpoint} does not answer: ${this.reason}. Check that it runs and that this program may use it; npx @cordon/cli doctor tells what is wrong.`
  }
}

/** The engine answered with an error that has no class of its own. */
export class EngineError extends TaggedError<EngineError>()("EngineError", {
  operation: Schema.String,
  /** HTTP status of the engine's answer; 0 where the answer was broken off or not understood. */
  status: Schema.Number,
  detail: Schema.String,
  /**
   * Whether `detail` is in our own words, fit to be shown to a model: what engines say may hold what
   * others told them, addresses and paths of the host, and names of other sessions' sandboxes.
   */
  ours: Schema.optionalKey(Schema.Boolean),
}) {
  override get message() {
    return `The container engine failed to ${this.operation}${this.status === 0 ? "" : ` (status ${this.status})`}: ${this.detail}`
  }
}

/** The host does not offer the runtime that was asked for. */
export class RuntimeUnavailable extends TaggedError<RuntimeUnavailable>()("RuntimeUnavailable", {
  runtime: Schema.String,
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
  driver: Schema.String,
}) {
  override get message() {
    return `The ${this.driver} driver has no ${this.feature}. Do without, or use a driver whose capabilities list them.`
  }
}
