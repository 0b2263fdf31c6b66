import { Config, Duration, Effect, Schema } from "effect"
import { invalidInput } from "../errors.ts"
import { RuntimeChoice } from "../values/Runtime.ts"
import { ImageReference, NetworkMode } from "../values/Sandbox.ts"
import { duration, names, setting } from "./environment.ts"
import { PullPolicy, type SettingsInput } from "./SettingsInput.ts"

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

export const PositiveInt = Schema.Int.pipe(Schema.check(Schema.isGreaterThan(0)))
const PositiveDuration = Schema.Duration.pipe(
  Schema.check(
    Schema.makeFilter((duration) => Duration.toMillis(duration) > 0, {
      expected: "a duration above zero",
    }),
  ),
)

const FiniteDuration = PositiveDuration.pipe(
  Schema.check(Schema.makeFilter(Duration.isFinite, { expected: "a finite duration" })),
)

/** The settings that one schema checks; limits, quotas, the policy and credentials have checks of their own. */
export const CheckedSettings = Schema.Struct({
  /** The image of a sandbox whose creation names none. */
  image: ImageReference,
  /** The runtime of a sandbox whose creation names none. */
  runtime: RuntimeChoice,
  /** The network of a sandbox whose creation names none. */
  network: NetworkMode,
  /** A sandbox that nobody used for this long is stopped. */
  idleTimeout: PositiveDuration,
  /** A sandbox that nobody used for this long is removed. */
  removeTimeout: PositiveDuration,
  /** The most by which `extend` puts off a sandbox's timeouts, from the time of the call. */
  extensionLimit: FiniteDuration,
  /** Time that a command gets unless it asks for another. */
  execTimeout: PositiveDuration,
  /** Bytes kept of each output of a command. */
  outputLimit: PositiveInt,
  /** Bytes of a file that can be read at once. */
  fileLimit: PositiveInt,
  /** Bytes that one download may bring. */
  transferLimit: PositiveInt,
  /** Sandboxes that a session may have at once. */
  maxSandboxes: PositiveInt,
  /** Limits that a host must enforce for a sandbox to be made on it. */
  requireLimits: Schema.Array(Schema.Literals(["memory", "cpus", "pids", "disk"])),
  /** Whether closing removes the sandboxes that were created through it. */
  removeOnClose: Schema.Boolean,
  /** When a registry is asked for an image. */
  pull: PullPolicy,
}).pipe(
  Schema.check(
    Schema.makeFilter(
      ({ idleTimeout, removeTimeout }) => Duration.isLessThanOrEqualTo(idleTimeout, removeTimeout),
      { expected: "an idleTimeout that is not longer than the removeTimeout" },
    ),
  ),
)

/** Reads and checks the settings of {@link CheckedSettings}. */
export const readSettings = Effect.fnUntraced(function* (input: SettingsInput) {
  const given = yield* Effect.all({
    image: setting(input.image, Config.String, "IMAGE", defaults.image),
    runtime: setting(input.runtime, Config.String, "RUNTIME", defaults.runtime),
    network: setting(input.network, Config.String, "NETWORK", defaults.network),
    idleTimeout: duration(input.idleTimeout, "IDLE_TIMEOUT", defaults.idleTimeout),
    removeTimeout: duration(input.removeTimeout, "REMOVE_TIMEOUT", defaults.removeTimeout),
    extensionLimit: duration(input.extensionLimit, "EXTENSION_LIMIT", defaults.extensionLimit),
    execTimeout: duration(input.execTimeout, "EXEC_TIMEOUT", defaults.execTimeout),
    outputLimit: setting(input.outputLimit, Config.Number, "OUTPUT_LIMIT", defaults.outputLimit),
    fileLimit: setting(input.fileLimit, Config.Number, "FILE_LIMIT", defaults.fileLimit),
    transferLimit: setting(
      input.transferLimit,
      Config.Number,
      "TRANSFER_LIMIT",
      defaults.transferLimit,
    ),
    maxSandboxes: setting(
      input.maxSandboxes,
      Config.Number,
      "MAX_SANDBOXES",
      defaults.maxSandboxes,
    ),
    requireLimits: setting(input.requireLimits, names, "REQUIRE_LIMITS", []),
    removeOnClose: setting(
      input.removeOnClose,
      Config.Boolean,
      "REMOVE_ON_CLOSE",
      defaults.removeOnClose,
    ),
    pull: setting(input.pull, Config.String, "PULL", defaults.pull),
  })
  return yield* Schema.decodeUnknownEffect(Schema.toType(CheckedSettings))(given).pipe(
    Effect.mapError(invalidInput("settings")),
  )
})
