import { Schema } from "effect"
import { quote } from "./quote.ts"
import { TaggedError } from "./TaggedError.ts"

/** A limit is not a positive amount, or is more than the host has. */
export class InvalidLimits extends TaggedError<InvalidLimits>()("InvalidLimits", {
  /** The limit that is wrong. */
  limit: Schema.Literals(["memory", "cpus", "pids", "disk"]),
  /** What was asked for, as text. */
  given: Schema.String,
  /** What it must be, in words: `at least 16 MiB`. */
  expected: Schema.String,
}) {
  override get message() {
    return `Limit ${this.limit} is ${this.given}, but must be ${this.expected}.`
  }
}

/** The host does not enforce a limit that the settings require it to (`requireLimits`). */
export class LimitsNotEnforced extends TaggedError<LimitsNotEnforced>()("LimitsNotEnforced", {
  /** The limits that are required and not enforced. */
  limits: Schema.Array(Schema.Literals(["memory", "cpus", "pids", "disk"])),
}) {
  override get message() {
    return `This host does not enforce the limits of ${this.limits.join(", ")}, which the program's settings require (requireLimits). Use another host; cordon doctor shows what this one lacks.`
  }
}

/** A sandbox was asked for that is more than the program's settings allow; see `Settings.allow`. */
export class NotAllowed extends TaggedError<NotAllowed>()("NotAllowed", {
  /** What part of the sandbox. */
  part: Schema.Literals([
    "runtime",
    "network",
    "memory",
    "cpus",
    "pids",
    "disk",
    "image",
    "egress",
  ]),
  /** What was asked for, as text. */
  asked: Schema.String,
  /** What may be asked for instead, in words. */
  allowed: Schema.String,
}) {
  override get message() {
    const asked = /^(image|runtime|network)$/.test(this.part) ? quote(this.asked) : this.asked
    return `${inWords[this.part]} ${asked} is not allowed here. Allowed: ${this.allowed}. Ask for that or leave it out; only the program's settings (allow) can allow more.`
  }
}

const inWords = {
  runtime: "The runtime",
  network: "The network",
  memory: "A memory limit of",
  cpus: "A limit of",
  pids: "A limit of",
  disk: "A limit of disk space of",
  image: "The image",
  egress: "A way out to",
}

/** Something countable is used up: what a session or a host may have, subnets of the pool. */
export class QuotaExceeded extends TaggedError<QuotaExceeded>()("QuotaExceeded", {
  /** What there may be no more of, in the plural: `sandboxes of a session`. */
  resource: Schema.String,
  /** How many there may be. */
  limit: Schema.Number,
}) {
  override get message() {
    return `The limit of ${this.limit} ${this.resource} is reached. Remove a sandbox that is no longer needed, or raise the limit.`
  }
}
