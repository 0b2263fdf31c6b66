import {
  Config,
  Context,
  Duration,
  Effect,
  Layer,
  Option,
  Predicate,
  Record,
  Redacted,
  Schema,
} from "effect"
import { checkEgress, type EgressRules } from "./egress/EgressRules.ts"
import { InvalidInput, type InvalidLimits, invalidInput } from "./errors.ts"
import type { Quota, Quotas } from "./leases/quotas.ts"
import { Allow, makePolicy, type Policy } from "./Policy.ts"
import type { EgressPolicy } from "./values/Egress.ts"
import {
  defaultLimits,
  type Limits,
  type LimitsInput,
  parseMemory,
  resolveLimits,
} from "./values/Limits.ts"
import {
  checkCredentials,
  type RegistryCredentialsInput,
  type RegistryLogins,
} from "./values/Registry.ts"
import { RuntimeChoice } from "./values/Runtime.ts"
import { ImageReference, NetworkMode } from "./values/Sandbox.ts"

const defaults = {
  image: "ubuntu:24.04",
  runtime: "runc",
  network: "bridge",
  idleTimeout: Duration.minutes(10),
  removeTimeout: Duration.minutes(20),
  extensionLimit: Duration.hours(1),
  execTimeout: Duration.minutes(2),
  outputLimit: 1024 * 1024,
  fileLimit: 16 * 1024 * 1024,
  transferLimit: 8 * 1024 ** 3,
  maxSandboxes: 16,
  removeOnClose: true,
  pull: "missing",
} as const

/** The most that sandboxes may have together, running or stopped; what is absent is not limited. */
export interface QuotaInput {
  /** Bytes, or a size such as `64GiB`. */
  readonly memory?: number | string | undefined
  /** Cores. */
  readonly cpus?: number | undefined
  /** Bytes, or a size. With a quota of disk space each sandbox needs a limit of it. */
  readonly disk?: number | string | undefined
}

/** What a program may set; every part has a default and an environment variable. */
export interface SettingsInput {
  /** Default image: `ubuntu:24.04`. */
  readonly image?: string | undefined
  /** Default runtime: `runc`. `strongest` takes the strongest that the host offers. */
  readonly runtime?: RuntimeChoice | undefined
  /** Default limits: 2 GiB of memory, 1 core, 256 processes. */
  readonly limits?: LimitsInput | undefined
  /** Default network: `bridge`. */
  readonly network?: NetworkMode | undefined
  /**
   * Where sandboxes with a `bridge` network may go by default, as a list of destinations or as rules: anywhere. It is a
   * ceiling too. `CONTAINER_SANDBOX_EGRESS` has it as JSON.
   */
  readonly egress?: EgressPolicy | EgressRules | undefined
  /**
   * What a creation may ask for beyond these settings, which else are the most that it gets: nothing,
   * but other images of public registries.
   */
  readonly allow?: Allow | undefined
  /**
   * Limits that a host must enforce for a sandbox to be made on it: none. Where a host does not enforce
   * one that is not named here, the first creation logs a warning.
   */
  readonly requireLimits?: ReadonlyArray<keyof Limits> | undefined
  /** A sandbox nobody used for this long is stopped: 10 minutes. */
  readonly idleTimeout?: Duration.Input | undefined
  /** A sandbox nobody used for this long is removed: 20 minutes. */
  readonly removeTimeout?: Duration.Input | undefined
  /** The most by which `extend` puts off a sandbox's timeouts, from the time of the call: 1 hour. */
  readonly extensionLimit?: Duration.Input | undefined
  /** Time a command gets unless it asks for another: 2 minutes. */
  readonly execTimeout?: Duration.Input | undefined
  /** Bytes kept of each output of a command: 1 MiB. */
  readonly outputLimit?: number | undefined
  /** Bytes of a file that can be read at once: 16 MiB. */
  readonly fileLimit?: number | undefined
  /** Bytes that one download may bring: 8 GiB. */
  readonly transferLimit?: number | undefined
  /** Sandboxes that a session may have at once: 16. */
  readonly maxSandboxes?: number | undefined
  /** What the sandboxes of a session may have together: not limited. */
  readonly sessionQuota?: QuotaInput | undefined
  /** What all sandboxes on a host may have together: not limited. */
  readonly hostQuota?: (QuotaInput & { readonly sandboxes?: number }) | undefined
  /** Whether closing removes the sandboxes that were created through it: true. */
  readonly removeOnClose?: boolean | undefined
  /**
   * Credentials by registry, for images that these settings name (`image`, `allow.images`, and registries
   * in `allow.registries` that are not public). For other registries the driver looks for those of this
   * user: see docs/registries.md. They are sent to the engine with a pull, and nowhere else.
   */
  readonly registryCredentials?: RegistryCredentialsInput | undefined
  /**
   * When a registry is asked for an image: `missing`, where the host does not have it; `always`, so that
   * nobody gets an image that somebody else pulled with rights of their own. Default: `missing`.
   */
  readonly pull?: PullPolicy | undefined
}

const PullPolicy = Schema.Literals(["missing", "always"])
/** When a registry is asked for an image: see `SettingsInput.pull`. */
export type PullPolicy = typeof PullPolicy.Type

const PositiveInt = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
const PositiveDuration = Schema.Duration.pipe(
  Schema.check(
    Schema.makeFilter((duration) => Duration.toMillis(duration) > 0, {
      expected: "a duration of more than zero",
    }),
  ),
)

const FiniteDuration = PositiveDuration.pipe(
  Schema.check(Schema.makeFilter(Duration.isFinite, { expected: "a duration that ends" })),
)

const Checked = Schema.Struct({
  image: ImageReference,
  runtime: RuntimeChoice,
  network: NetworkMode,
  idleTimeout: PositiveDuration,
  removeTimeout: PositiveDuration,
  extensionLimit: FiniteDuration,
  execTimeout: PositiveDuration,
  outputLimit: PositiveInt,
  fileLimit: PositiveInt,
  transferLimit: PositiveInt,
  maxSandboxes: PositiveInt,
  requireLimits: Schema.Array(Schema.Literals(["memory", "cpus", "pids", "disk"])),
  removeOnClose: Schema.Boolean,
  pull: PullPolicy,
}).pipe(
  Schema.check(
    Schema.makeFilter(
      ({ idleTimeout, removeTimeout }) => Duration.isLessThanOrEqualTo(idleTimeout, removeTimeout),
      { expected: "an idleTimeout that is not longer than the removeTimeout" },
    ),
  ),
)

/** What the program says, else the environment variable, else the default. */
const setting = <A, B, C>(
  ours: A | undefined,
  variable: (name: string) => Config.Config<B>,
  name: string,
  fallback: C,
): Effect.Effect<A | B | C, InvalidInput> =>
  ours === undefined
    ? Effect.mapError(
        Config.withDefault(variable(`CONTAINER_SANDBOX_${name}`), fallback),
        (error) => new InvalidInput({ subject: "settings", issue: error.message }),
      )
    : Effect.succeed(ours)

const duration = (ours: Duration.Input | undefined, name: string, fallback: Duration.Duration) =>
  setting(
    // What is not a duration stays as it is, for the schema to refuse by name.
    ours === undefined ? undefined : Option.getOrElse(Duration.fromInput(ours), () => ours),
    Config.Duration,
    name,
    fallback,
  )

const number = (
  input: SettingsInput,
  key: "outputLimit" | "fileLimit" | "transferLimit" | "maxSandboxes",
  name: string,
) => setting(input[key], Config.Number, name, defaults[key])

const PositiveSize = Schema.Union([Schema.Number, Schema.String]).pipe(
  Schema.check(
    Schema.makeFilter((size) => bytesOf(size) > 0, {
      expected: "bytes of more than zero, or a size such as 64GiB",
    }),
  ),
)
const bytesOf = (size: number | string) =>
  typeof size === "number" ? size : Option.getOrElse(parseMemory(size), () => Number.NaN)

const CheckedQuota = Schema.Struct({
  sandboxes: Schema.optionalKey(PositiveInt),
  memory: Schema.optionalKey(PositiveSize),
  cpus: Schema.optionalKey(Schema.Finite.pipe(Schema.check(Schema.isGreaterThan(0)))),
  disk: Schema.optionalKey(PositiveSize),
})

/** A quota as the program, else the environment has it. */
const quota = Effect.fnUntraced(function* (
  subject: string,
  input: QuotaInput & { readonly sandboxes?: number },
  name: string,
): Effect.fn.Return<Quota, InvalidInput> {
  const { sandboxes, memory, cpus, disk } = yield* Effect.all({
    sandboxes: setting(input.sandboxes, Config.Number, `${name}_SANDBOXES`, undefined),
    memory: setting(input.memory, Config.String, `${name}_MEMORY`, undefined),
    cpus: setting(input.cpus, Config.Number, `${name}_CPUS`, undefined),
    disk: setting(input.disk, Config.String, `${name}_DISK`, undefined),
  })
  const checked = yield* Schema.decodeUnknownEffect(CheckedQuota)({
    ...(sandboxes === undefined ? {} : { sandboxes }),
    ...(memory === undefined ? {} : { memory }),
    ...(cpus === undefined ? {} : { cpus }),
    ...(disk === undefined ? {} : { disk }),
  }).pipe(Effect.mapError(invalidInput(`settings (${subject})`)))
  return {
    ...(checked.sandboxes === undefined ? {} : { sandboxes: checked.sandboxes }),
    ...(checked.memory === undefined ? {} : { memory: bytesOf(checked.memory) }),
    ...(checked.cpus === undefined ? {} : { cpus: checked.cpus }),
    ...(checked.disk === undefined ? {} : { disk: bytesOf(checked.disk) }),
  }
})

const names = (variable: string) =>
  Config.map(Config.String(variable), (text) =>
    text
      .split(",")
      .map((name) => name.trim())
      .filter((name) => name !== ""),
  )

const checkAllow = (input: unknown) =>
  Schema.decodeUnknownEffect(Allow)(input, { onExcessProperty: "error" }).pipe(
    Effect.mapError(invalidInput("settings (allow)")),
  )

/** What is allowed as the program, else the environment has it. */
const allowed = Effect.fnUntraced(function* (input: Allow) {
  const { limits = {}, ...lists } = yield* checkAllow(input)
  const given = yield* Effect.all({
    runtimes: setting(lists.runtimes, names, "ALLOW_RUNTIMES", undefined),
    networks: setting(lists.networks, names, "ALLOW_NETWORKS", undefined),
    images: setting(lists.images, names, "ALLOW_IMAGES", undefined),
    registries: setting(lists.registries, names, "ALLOW_REGISTRIES", undefined),
  })
  const most = yield* Effect.all({
    memory: setting(limits.memory, Config.String, "ALLOW_MEMORY", undefined),
    cpus: setting(limits.cpus, Config.Number, "ALLOW_CPUS", undefined),
    pids: setting(limits.pids, Config.Number, "ALLOW_PIDS", undefined),
    disk: setting(limits.disk, Config.String, "ALLOW_DISK", undefined),
  })
  const { egress } = lists
  return yield* checkAllow({
    ...Record.filter(given, Predicate.isNotUndefined),
    limits: Record.filter(most, Predicate.isNotUndefined),
    ...(egress === undefined ? {} : { egress }),
  })
})

/** A variable that has JSON with secrets in it: what is not JSON is not repeated. */
const json = Effect.fnUntraced(function* (name: string) {
  const text = yield* Effect.orElseSucceed(Config.option(Config.Redacted(name)), () =>
    Option.none(),
  )
  if (Option.isNone(text)) return Option.none<unknown>()
  return Option.some(
    yield* Effect.try({
      try: (): unknown => JSON.parse(Redacted.value(text.value)),
      catch: () => new InvalidInput({ subject: name, issue: "it is not JSON" }),
    }),
  )
})

/** Credentials of registries as the program, else the environment has them; nothing repeats one. */
const logins = Effect.fnUntraced(function* (input: RegistryCredentialsInput | undefined) {
  const subject = "settings (registryCredentials)"
  if (input !== undefined) return yield* checkCredentials(subject, input)
  const name = "CONTAINER_SANDBOX_REGISTRY_CREDENTIALS"
  const given = yield* json(name)
  return Option.isNone(given) ? new Map() : yield* checkCredentials(name, given.value)
})

/** Where sandboxes may go as the program, else the environment has it; nothing repeats a secret of it. */
const wayOut = Effect.fnUntraced(function* (input: SettingsInput["egress"]) {
  if (input !== undefined) return yield* checkEgress("settings (egress)", input)
  const name = "CONTAINER_SANDBOX_EGRESS"
  const given = yield* json(name)
  return Option.isNone(given) ? undefined : yield* checkEgress(name, given.value)
})

/** How sandboxes are made and kept: what the program says, else the environment, else the default. */
export class Settings extends Context.Service<
  Settings,
  (typeof Checked)["Type"] & {
    readonly limits: Limits
    readonly quotas: Required<Quotas>
    readonly policy: Policy
    readonly registryLogins: RegistryLogins
  }
>()("@cordon/core/Settings") {
  static readonly layer = (
    input: SettingsInput = {},
  ): Layer.Layer<Settings, InvalidInput | InvalidLimits> =>
    Layer.effect(
      Settings,
      Effect.gen(function* () {
        const disk = yield* setting(input.limits?.disk, Config.String, "DISK", undefined)
        const limits = yield* resolveLimits({
          memory: yield* setting(
            input.limits?.memory,
            Config.String,
            "MEMORY",
            defaultLimits.memory,
          ),
          cpus: yield* setting(input.limits?.cpus, Config.Number, "CPUS", defaultLimits.cpus),
          pids: yield* setting(input.limits?.pids, Config.Number, "PIDS", defaultLimits.pids),
          ...(disk === undefined ? {} : { disk }),
        })
        const checked = yield* Schema.decodeUnknownEffect(Schema.toType(Checked))({
          image: yield* setting(input.image, Config.String, "IMAGE", defaults.image),
          runtime: yield* setting(input.runtime, Config.String, "RUNTIME", defaults.runtime),
          network: yield* setting(input.network, Config.String, "NETWORK", defaults.network),
          idleTimeout: yield* duration(input.idleTimeout, "IDLE_TIMEOUT", defaults.idleTimeout),
          removeTimeout: yield* duration(
            input.removeTimeout,
            "REMOVE_TIMEOUT",
            defaults.removeTimeout,
          ),
          extensionLimit: yield* duration(
            input.extensionLimit,
            "EXTENSION_LIMIT",
            defaults.extensionLimit,
          ),
          execTimeout: yield* duration(input.execTimeout, "EXEC_TIMEOUT", defaults.execTimeout),
          ...(yield* Effect.all({
            outputLimit: number(input, "outputLimit", "OUTPUT_LIMIT"),
            fileLimit: number(input, "fileLimit", "FILE_LIMIT"),
            transferLimit: number(input, "transferLimit", "TRANSFER_LIMIT"),
            maxSandboxes: number(input, "maxSandboxes", "MAX_SANDBOXES"),
          })),
          requireLimits: yield* setting(input.requireLimits, names, "REQUIRE_LIMITS", []),
          removeOnClose: yield* setting(
            input.removeOnClose,
            Config.Boolean,
            "REMOVE_ON_CLOSE",
            defaults.removeOnClose,
          ),
          pull: yield* setting(input.pull, Config.String, "PULL", defaults.pull),
        }).pipe(Effect.mapError(invalidInput("settings")))
        const quotas = {
          session: yield* quota(
            "sessionQuota",
            { ...input.sessionQuota, sandboxes: checked.maxSandboxes },
            "SESSION",
          ),
          host: yield* quota("hostQuota", input.hostQuota ?? {}, "HOST"),
        }
        const { image, runtime, network, requireLimits } = checked
        const policy = yield* makePolicy(
          { image, runtime, network, limits, egress: yield* wayOut(input.egress) },
          yield* allowed(input.allow === undefined ? {} : input.allow),
          requireLimits,
        )
        const registryLogins = yield* logins(input.registryCredentials)
        return { ...checked, limits, quotas, policy, registryLogins }
      }),
    )
}
