import { Schema } from "effect"
import { EgressPolicy } from "./Egress.ts"
import type { EgressRules } from "./EgressRules.ts"
import { Limits, LimitsInput } from "./Limits.ts"
import { Runtime, RuntimeChoice } from "./Runtime.ts"
import { SandboxId } from "./SandboxId.ts"
import { SandboxName } from "./SandboxName.ts"
import { SessionKey } from "./Session.ts"
import { Tags } from "./Tags.ts"
import { wellFormed } from "./Text.ts"

/**
 * A sandbox's network: `bridge`, its own private network with a way out; `internal`, its own
 * private network without one; `none`, loopback only.
 */
export const NetworkMode = Schema.Literals(["bridge", "internal", "none"]).pipe(
  Schema.annotate({ title: "NetworkMode" }),
)
export type NetworkMode = typeof NetworkMode.Type

const widestFirst = ["bridge", "internal", "none"] as const satisfies Array<NetworkMode>

/** The modes that lead no further than one does, widest first. */
export const noWiderThan = (widest: NetworkMode): ReadonlyArray<NetworkMode> =>
  widestFirst.slice(widestFirst.indexOf(widest))

/** `created` is made but not yet started; `stopped` keeps its files and can start again. */
export const SandboxStatus = Schema.Literals([
  "created",
  "running",
  "paused",
  "stopped",
  "removing",
])
export type SandboxStatus = typeof SandboxStatus.Type

/** An OCI image reference: `[registry[:port]/]repository[:tag][@digest]`. */
export const ImageReference = Schema.String.pipe(
  Schema.check(
    Schema.isMaxLength(512),
    Schema.isPattern(
      /^(?:[a-zA-Z0-9][a-zA-Z0-9.-]*(?::\d{1,5})?\/)?[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*(?::[\w][\w.-]{0,127})?(?:@[a-z0-9]+(?:[+._-][a-z0-9]+)*:[0-9a-fA-F]{32,})?$/,
      { expected: "an image reference such as ubuntu:24.04 or registry.example.com/team/app:1.2" },
    ),
  ),
  Schema.annotate({ title: "ImageReference" }),
)

const withoutNul = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^[^\0]*$/, { expected: "text without NUL characters" }),
    wellFormed,
  ),
)

/** Environment variables by name. */
export const Environment = Schema.Record(Schema.String, withoutNul).pipe(
  // Not a schema of the key: a record passes over keys that do not fit, where these must be refused.
  Schema.check(
    Schema.makeFilter(
      (env) => Object.keys(env).every((name) => /^[A-Za-z_][A-Za-z0-9_]*$/.test(name)),
      {
        expected: "variable names of letters, digits and underscores",
      },
    ),
  ),
)
export type Environment = typeof Environment.Type

const greatestUserId = 2 ** 31 - 1

/** A user inside the sandbox: a name or number, optionally with a group (`1000:1000`). */
export const User = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^[A-Za-z0-9_][\w.-]{0,63}(?::[A-Za-z0-9_][\w.-]{0,63})?$/, {
      expected: "a user such as root, 1000 or 1000:1000",
    }),
    // Linux has no greater ones, and engines disagree about what to say of them.
    Schema.makeFilter(
      (user) =>
        user.split(":").every((part) => !/^\d+$/.test(part) || Number(part) <= greatestUserId) ||
        `a user or group number up to ${greatestUserId}`,
    ),
  ),
)

/** An absolute path inside a sandbox, such as `/workspace`. */
export const AbsolutePath = Schema.String.pipe(
  Schema.check(
    // The pattern comes last: what annotates the schema, annotates its last check, and JSON Schema knows this one.
    wellFormed,
    Schema.isPattern(/^\/[^\0]{0,4094}$/, { expected: "an absolute path such as /workspace" }),
  ),
)

/** How long a sandbox may go unused; kept with it, so that every process on its host agrees. */
export const LeaseTerms = Schema.Struct({
  /** Milliseconds after which it is stopped. */
  idleTimeout: Schema.Finite,
  /** Milliseconds after which it is removed. */
  removeTimeout: Schema.Finite,
  /**
   * `LeaseStore.id` of the store that its lease is in: who has another one does not see its uses, and
   * so does not judge it. Absent where each process has a store of its own.
   */
  store: Schema.optional(Schema.String),
})
export type LeaseTerms = typeof LeaseTerms.Type

/** Everything a driver needs to make a sandbox; defaults are filled in, limits are normalised. */
export const SandboxSpec = Schema.Struct({
  /** Its name within its session. */
  name: SandboxName,
  /** The image that its files come from. */
  image: ImageReference,
  /** The runtime that isolates it. */
  runtime: Runtime,
  /** What it may use at most. */
  limits: Limits,
  /** What its network leads to. */
  network: NetworkMode,
  /** Where a `bridge` network's way out leads; anywhere where absent. */
  egress: Schema.optional(EgressPolicy),
  /** How long it may go unused. */
  lease: LeaseTerms,
  /** Set for every process in the sandbox. */
  env: Environment,
  /** Where commands run and relative paths start; the driver chooses where it is absent. */
  workdir: Schema.optional(AbsolutePath),
  /** Whom commands run as; the image's own user where it is absent. */
  user: Schema.optional(User),
  /** Kept with the sandbox, and told with it; none where absent. */
  tags: Schema.optional(Tags),
})
export type SandboxSpec = typeof SandboxSpec.Type

/** The files of a sandbox, kept as an image of its session. */
export const SnapshotInfo = Schema.Struct({
  /** Its name within its session. */
  name: SandboxName,
  /** The session that it belongs to. */
  session: SessionKey,
  /** What sandboxes are made from. */
  image: ImageReference,
  /** The name of the sandbox that it was taken of. */
  sandbox: SandboxName,
  /** When it was taken, by the host's clock. */
  createdAt: Schema.Date,
  /** Bytes, with all that it shares with the image that its sandbox was made from. */
  size: Schema.Number,
})
export type SnapshotInfo = typeof SnapshotInfo.Type

/** What a caller may say about a sandbox to create; every part has a default. */
export const CreateOptions = Schema.Struct({
  /** Its name within its session; a name is made up where absent. */
  name: Schema.optional(SandboxName),
  /** The image that its files come from; the settings' where absent. */
  image: Schema.optional(ImageReference),
  /** The name of a snapshot of this session, in place of an image. */
  snapshot: Schema.optional(SandboxName),
  /** The runtime that isolates it; the settings' where absent. */
  runtime: Schema.optional(RuntimeChoice),
  /** What it may use at most; the settings' for each part that is absent. */
  limits: Schema.optional(LimitsInput),
  /** What its network leads to; the settings' where absent. */
  network: Schema.optional(NetworkMode),
  /** Set for every process in the sandbox; none where absent. */
  env: Schema.optional(Environment),
  /** Where commands run and relative paths start; the driver chooses where absent. */
  workdir: Schema.optional(AbsolutePath),
  /** Whom commands run as; the image's own user where absent. */
  user: Schema.optional(User),
  /** Labels of one's own, by which `find` finds it. They can't be changed. */
  tags: Schema.optional(Tags),
})
type Decoded = typeof CreateOptions.Encoded
/** What a caller may say about a sandbox to create; every part has a default. */
export interface CreateOptions extends Decoded {
  /**
   * Where it may go: a list of destinations that the engine holds it to, or rules for which this program is its way out.
   * Anywhere by default, as the settings have it. It needs the network `bridge`.
   */
  readonly egress?: EgressPolicy | EgressRules | undefined
}

/** A sandbox as its host reports it. */
export const SandboxInfo = Schema.Struct({
  /** Its ID, which no other sandbox of the host has. It follows from the session and the name. */
  id: SandboxId,
  /** Its name within its session. */
  name: SandboxName,
  /** The session that it belongs to. */
  session: SessionKey,
  /** The host's own ID of this incarnation; a new one after remove and create under the same name. */
  instanceId: Schema.String,
  /** What it does now. */
  status: SandboxStatus,
  /** The image that it was made from. */
  image: Schema.String,
  /** The runtime that isolates it. */
  runtime: Runtime,
  /** What it may use at most. */
  limits: Limits,
  /** What its network leads to. */
  network: NetworkMode,
  /** How long it may go unused. */
  lease: LeaseTerms,
  /** Where commands run and relative paths start. */
  workdir: Schema.String,
  /** When it was created, by the host's clock. */
  createdAt: Schema.Date,
  /** What it was given when it was created; absent where that was nothing. */
  tags: Schema.optionalKey(Tags),
  /** Whether a command is running in it now, whoever started it; absent where the host did not say. */
  busy: Schema.optionalKey(Schema.Boolean),
  /**
   * Milliseconds since another program last used it: by a command, a file or a terminal that began or
   * ended. Absent where none did, or where the host did not say.
   */
  unusedElsewhereFor: Schema.optionalKey(Schema.Finite),
})
export type SandboxInfo = typeof SandboxInfo.Type
