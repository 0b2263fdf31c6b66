import {
  ImageReference,
  InvalidInput,
  type InvalidLimits,
  type Limits,
  RuntimeChoice,
  Settings,
  type SettingsInput,
} from "@cordon/core"
import { Effect, Predicate, Record, Schema } from "effect"
import { invalidFields } from "./invalidToolInput.ts"
import { jsonSchemaOf } from "./jsonSchema.ts"

const { optionalKey } = Schema

/**
 * The configuration of the `container_sandbox` capability, as frameworks store it. An absent field
 * is taken from the environment, else the default applies.
 */
export const ContainerSandboxConfig = Schema.Struct({
  docker_host: optionalKey(
    Schema.NonEmptyString.annotate({
      description:
        "The engine: unix:///var/run/docker.sock, tcp://host:2376, https://host:2376. Found by itself by default.",
    }),
  ),
  runtime: optionalKey(
    RuntimeChoice.annotate({ description: "The OCI runtime of sandboxes. Default runc." }),
  ),
  image: optionalKey(
    ImageReference.annotate({ description: "The image of sandboxes. Default ubuntu:24.04." }),
  ),
  memory_limit: optionalKey(
    Schema.Union([Schema.String, Schema.Finite]).annotate({
      description: 'Memory, swap included: bytes, or a size such as "512MiB". Default 2GiB.',
    }),
  ),
  cpu_limit: optionalKey(Schema.Finite.annotate({ description: "CPU cores. Default 1." })),
  pids_limit: optionalKey(
    Schema.Finite.annotate({ description: "Processes and threads. Default 256." }),
  ),
})
export type ContainerSandboxConfig = typeof ContainerSandboxConfig.Type

/** The options from a configuration: for a driver, and for `createTools` or `Sandboxes.layer`. */
export interface ContainerSandboxOptions {
  /** For `docker` or `dockerRemote`: the engine, if the configuration names one. */
  readonly engine: { readonly host?: string | undefined }
  /** Complete: with the environment's values, or the defaults, for what was absent. */
  readonly settings: {
    /** The image of a sandbox whose creation names none. */
    readonly image: string
    /** The runtime of a sandbox whose creation names none. */
    readonly runtime: RuntimeChoice
    /** What a sandbox may use at most, where its creation says nothing. */
    readonly limits: Limits
  }
}

const subject = "configuration of container_sandbox"
/** As JSON Schema, for frameworks that check or show a configuration themselves. */
export const containerSandboxConfigSchema = jsonSchemaOf(ContainerSandboxConfig)

const fieldOf = { memory: "memory_limit", cpus: "cpu_limit", pids: "pids_limit", disk: "disk" }

const inItsNames = ({ limit, given, expected }: InvalidLimits) =>
  new InvalidInput({ subject, issue: `${fieldOf[limit]} is ${given}, but must be ${expected}` })

/** In JSON and YAML, null means not set. */
const withoutNulls = (config: unknown) =>
  Predicate.isReadonlyObject(config) ? Record.filter({ ...config }, Predicate.isNotNull) : config

/**
 * Decodes a configuration; names that it does not have are refused.
 *
 * @example
 * import { configureContainerSandbox } from "@cordon/tools"
 *
 * const config = { image: "python:3.13", memory_limit: "1GiB", cpu_limit: 2 }
 * const { engine, settings } = yield* configureContainerSandbox(config)
 */
export const configureContainerSandbox = Effect.fnUntraced(function* (
  config: unknown = {},
): Effect.fn.Return<ContainerSandboxOptions, InvalidInput> {
  const given = withoutNulls(config)
  const decode = Schema.decodeUnknownEffect(ContainerSandboxConfig)
  const { docker_host, runtime, image, memory_limit, cpu_limit, pids_limit } = yield* decode(
    given,
    {
      errors: "all",
      onExcessProperty: "error",
    },
  ).pipe(Effect.mapError(invalidFields(subject, containerSandboxConfigSchema, given)))
  const input: SettingsInput = {
    runtime,
    image,
    limits: {
      memory: memory_limit,
      cpus: cpu_limit,
      pids: pids_limit,
    },
  }
  const settings = yield* Settings.pipe(
    Effect.provide(Settings.layer(input)),
    Effect.catchTag("InvalidLimits", (error) => Effect.fail(inItsNames(error))),
  )
  return {
    engine: { host: docker_host },
    settings: { image: settings.image, runtime: settings.runtime, limits: settings.limits },
  }
})

/**
 * As {@link configureContainerSandbox}, for programs that do not use Effect.
 *
 * @example
 * import { createSandboxes } from "@cordon/core"
 * import { docker } from "@cordon/driver-docker"
 * import { containerSandboxOptions } from "@cordon/tools"
 *
 * const { engine, settings } = await containerSandboxOptions({ image: "python:3.13", cpu_limit: 2 })
 * await using sandboxes = createSandboxes({ driver: docker(engine), ...settings })
 */
export const containerSandboxOptions = (config?: unknown): Promise<ContainerSandboxOptions> =>
  Effect.runPromise(configureContainerSandbox(config))
