/**
 * The operator's word is a ceiling: what a program's settings say of a sandbox is the most that
 * anybody may ask for when one is created, unless the settings allow more.
 */
import { Effect, Schema } from "effect"
import type { DriverCapabilities } from "./driver/capabilities.ts"
import { destinationsOf, withinCeiling } from "./egress/ceiling.ts"
import {
  InvalidInput,
  type InvalidLimits,
  LimitsNotEnforced,
  NotAllowed,
  RuntimeUnavailable,
} from "./errors.ts"
import { EgressPolicy } from "./values/Egress.ts"
import type { EgressRules } from "./values/EgressRules.ts"
import {
  ImagePattern,
  matchesImage,
  mayBeImageId,
  parseImage,
  RegistryHost,
  sameImage,
} from "./values/ImageName.ts"
import { type Limits, LimitsInput, resolveLimits, showLimit } from "./values/Limits.ts"
import { atLeastAsStrong, chooseRuntime, Runtime, type RuntimeChoice } from "./values/Runtime.ts"
import { type CreateOptions, NetworkMode, noWiderThan } from "./values/Sandbox.ts"

/**
 * What a creation may ask for beyond what the settings say. A list that is given takes the place of
 * what is allowed by default; what the settings themselves say is always allowed.
 */
export const Allow = Schema.Struct({
  /** By default the one that is set, and those that isolate better. */
  runtimes: Schema.optionalKey(Schema.Array(Runtime)),
  /** By default the one that is set, and those that lead less far. */
  networks: Schema.optionalKey(Schema.Array(NetworkMode)),
  /** The most of each; by default what is set. */
  limits: Schema.optionalKey(LimitsInput),
  /** Images by name: `python`, `python:3.12`, `ghcr.io/acme/*`; `*` stands for any. */
  images: Schema.optionalKey(Schema.Array(ImagePattern)),
  /** Registries whose images are allowed; without `images` the {@link publicRegistries}. */
  registries: Schema.optionalKey(Schema.Array(RegistryHost)),
  /** What an allow-list may name beyond the one that is set. */
  egress: Schema.optionalKey(EgressPolicy),
})
export type Allow = typeof Allow.Type

/** Registries that anybody can reach, and that lead nowhere else: what is allowed by default. */
export const publicRegistries: ReadonlyArray<string> = [
  "docker.io",
  "ghcr.io",
  "quay.io",
  "gcr.io",
  "registry.k8s.io",
  "public.ecr.aws",
  "mcr.microsoft.com",
  "nvcr.io",
  "registry.gitlab.com",
]

/** What the settings say of a sandbox, where a creation says nothing. */
export interface Defaults {
  /** The image of a sandbox. */
  readonly image: string
  /** The runtime of a sandbox; `strongest` takes the strongest that the host offers. */
  readonly runtime: RuntimeChoice
  /** The network of a sandbox. */
  readonly network: NetworkMode
  /** Where a `bridge` network leads; anywhere where absent. Other networks lead nowhere. */
  readonly egress?: EgressPolicy | EgressRules | undefined
  /** What a sandbox may use at most. */
  readonly limits: Limits
}

/** The most that a creation may ask for. */
export interface Policy {
  /** What a creation gets of what it does not ask for. */
  readonly defaults: Defaults
  /** Absent where they are those that are at least as strong as the default. */
  readonly runtimes: ReadonlyArray<Runtime> | undefined
  /** The networks that may be asked for. */
  readonly networks: ReadonlyArray<NetworkMode>
  /** The most of each limit. */
  readonly limits: Limits
  /** Limits without which no sandbox is made, where the host does not enforce them. */
  readonly required: ReadonlyArray<keyof Limits>
  /** Images that may be asked for beside the default and those of `registries`; `*` stands for any. */
  readonly images: ReadonlyArray<string>
  /** Registries of which any image may be asked for. */
  readonly registries: ReadonlyArray<string>
  /** Destinations; absent where a sandbox may go anywhere. */
  readonly egress: EgressPolicy | undefined
}

const parts = ["memory", "cpus", "pids", "disk"] as const

/** The limits of a sandbox that its host only records. */
export const unenforced = (
  limits: Limits,
  { enforced }: Pick<DriverCapabilities, "enforced">,
): ReadonlyArray<keyof Limits> =>
  parts.filter((part) => limits[part] !== undefined && !enforced[part])

const ceilings = Effect.fnUntraced(function* (
  defaults: Limits,
  input: LimitsInput,
): Effect.fn.Return<Limits, InvalidInput | InvalidLimits> {
  const limits = yield* resolveLimits(input, defaults)
  for (const part of parts) {
    const [set, most] = [defaults[part], limits[part]]
    if (most !== undefined && (set === undefined || most < set)) {
      return yield* new InvalidInput({
        subject: `settings (allow.limits.${part})`,
        issue:
          set === undefined
            ? `by default there is no limit of ${part}, so that this allows nothing more; set limits.${part} as well`
            : `it is ${showLimit(part, most)}, less than the ${showLimit(part, set)} that a sandbox gets by default; set limits.${part} to no more than it`,
      })
    }
  }
  return limits
})

/** The policy of some settings. */
export const makePolicy = Effect.fnUntraced(function* (
  defaults: Defaults,
  allow: Allow = {},
  required: ReadonlyArray<keyof Limits> = [],
): Effect.fn.Return<Policy, InvalidInput | InvalidLimits> {
  const { egress } = defaults
  if (allow.egress !== undefined && egress === undefined) {
    return yield* new InvalidInput({
      subject: "settings (allow.egress)",
      issue:
        "it has no effect without egress: by default a sandbox may reach any destination; set egress too",
    })
  }
  const own = egress && destinationsOf(egress)
  const networks = allow.networks ?? noWiderThan(defaults.network)
  return {
    defaults,
    runtimes: allow.runtimes,
    networks: noWiderThan("bridge").filter(
      (mode) => mode === defaults.network || networks.includes(mode),
    ),
    limits: yield* ceilings(defaults.limits, allow.limits ?? {}),
    required,
    images: allow.images ?? [],
    registries: allow.registries ?? (allow.images === undefined ? publicRegistries : []),
    egress: own && {
      allow: [...own.allow, ...(allow.egress?.allow ?? [])],
      allowAddresses: [...(own.allowAddresses ?? []), ...(allow.egress?.allowAddresses ?? [])],
    },
  }
})

const list = (items: ReadonlyArray<string>) => items.map((item) => JSON.stringify(item)).join(", ")

const decideRuntime = Effect.fnUntraced(function* (
  { defaults, runtimes }: Policy,
  asked: RuntimeChoice | undefined,
  offered: ReadonlyArray<Runtime>,
): Effect.fn.Return<Runtime, NotAllowed | RuntimeUnavailable> {
  const choose = (choice: RuntimeChoice, available: ReadonlyArray<Runtime>) => {
    const runtime = chooseRuntime(choice, available)
    return runtime === undefined
      ? Effect.fail(new RuntimeUnavailable({ runtime: choice, available }))
      : Effect.succeed(runtime)
  }
  if (asked === undefined || asked === defaults.runtime) {
    return yield* choose(defaults.runtime, offered)
  }
  // What "strongest" stands for is known here only.
  const least =
    defaults.runtime === "strongest" ? yield* choose("strongest", offered) : defaults.runtime
  const allowed = [...new Set([least, ...(runtimes ?? atLeastAsStrong(least))])]
  if (asked !== "strongest" && !allowed.includes(asked)) {
    return yield* new NotAllowed({ part: "runtime", asked, allowed: list(allowed) })
  }
  return yield* choose(
    asked,
    offered.filter((runtime) => allowed.includes(runtime)),
  )
})

const decideLimits = Effect.fnUntraced(function* (
  { defaults, limits }: Policy,
  asked: LimitsInput,
  capacity: DriverCapabilities["capacity"],
): Effect.fn.Return<Limits, NotAllowed | InvalidLimits> {
  const wanted = yield* resolveLimits(asked, defaults.limits)
  for (const part of parts) {
    const [value, most] = [wanted[part], limits[part]]
    if (value !== undefined && most !== undefined && value > most) {
      return yield* new NotAllowed({
        part,
        asked: showLimit(part, value),
        allowed: `at most ${showLimit(part, most)}`,
      })
    }
  }
  return yield* resolveLimits(wanted, defaults.limits, capacity)
})

/** Whether a creation may name an image. */
export const allowsImage = ({ defaults, images, registries }: Policy, image: string): boolean => {
  if (sameImage(image, defaults.image)) return true
  if (images.some((pattern) => matchesImage(pattern, image))) return true
  if (mayBeImageId(image)) return false
  const name = parseImage(image)
  return name._tag === "Some" && registries.includes(name.value.registry)
}

/**
 * Whether the settings themselves name an image: as the default, in `allow.images`, or by a registry in
 * `allow.registries` that is not a public one. Only such an image is pulled with the operator's
 * credentials. An image that is allowed only because its registry is public is pulled without any.
 */
export const namesImage = ({ defaults, images, registries }: Policy, image: string): boolean => {
  if (sameImage(image, defaults.image)) return true
  if (images.some((pattern) => matchesImage(pattern, image))) return true
  const name = parseImage(image)
  if (mayBeImageId(image) || name._tag === "None") return false
  const { registry } = name.value
  return registries.includes(registry) && !publicRegistries.includes(registry)
}

/** The images that a policy allows, in words. */
export const showImages = ({ defaults, images, registries }: Policy): string =>
  [
    list([defaults.image, ...images]),
    ...(registries.length === 0
      ? []
      : [`images of ${registries.join(", ")} by their names (not by an ID)`]),
  ].join(", ")

/** Decides where a way out leads: nowhere where there is none. */
export const decideEgress = (
  { defaults, egress }: Policy,
  asked: EgressPolicy | EgressRules | undefined,
  network: NetworkMode,
): Effect.Effect<EgressPolicy | EgressRules | undefined, NotAllowed> => {
  if (asked === undefined) return Effect.succeed(network === "bridge" ? defaults.egress : undefined)
  const decided = withinCeiling(asked, defaults.egress, egress)
  return "asked" in decided
    ? Effect.fail(
        new NotAllowed({
          part: "egress",
          asked: decided.asked.join(", "),
          allowed: list(decided.allowed) || "nothing",
        }),
      )
    : Effect.succeed(decided)
}

/** What a sandbox gets of what is decided here. */
export interface Decision extends Pick<Defaults, "network" | "limits" | "egress"> {
  /** The runtime to create it with. */
  readonly runtime: Runtime
}

/**
 * Decides what a sandbox gets of what was asked for: the defaults where nothing was, and nothing
 * that is more than the policy allows. `host` is what the host offers. It looks at nothing else.
 */
export const decide = Effect.fnUntraced(function* (
  policy: Policy,
  asked: Pick<(typeof CreateOptions)["Type"], "image" | "runtime" | "network" | "limits"> & {
    readonly egress?: EgressPolicy | EgressRules | undefined
  },
  host: Pick<DriverCapabilities, "runtimes" | "capacity" | "enforced">,
): Effect.fn.Return<Decision, NotAllowed | RuntimeUnavailable | InvalidLimits | LimitsNotEnforced> {
  const { image, network = policy.defaults.network } = asked
  if (!policy.networks.includes(network)) {
    return yield* new NotAllowed({
      part: "network",
      asked: network,
      allowed: list(policy.networks),
    })
  }
  if (image !== undefined && !allowsImage(policy, image)) {
    return yield* new NotAllowed({ part: "image", asked: image, allowed: showImages(policy) })
  }
  const limits = yield* decideLimits(policy, asked.limits ?? {}, host.capacity)
  const lacking = unenforced(limits, host).filter((part) => policy.required.includes(part))
  if (lacking.length > 0) return yield* new LimitsNotEnforced({ limits: lacking })
  const offered = host.runtimes.map(({ runtime }) => runtime)
  return {
    runtime: yield* decideRuntime(policy, asked.runtime, offered),
    network,
    limits,
    egress: yield* decideEgress(policy, asked.egress, network),
  }
})
