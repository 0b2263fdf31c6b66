import {
  atLeastAsStrong,
  type Limits,
  type Policy,
  Settings,
  type SettingsInput,
  showImages,
  showLimit,
} from "@cordon/core"
import { Effect, Exit } from "effect"
import type { ToolInfo } from "./Tool.ts"

const showAll = (limits: Limits) =>
  [
    `${showLimit("memory", limits.memory)} of memory`,
    showLimit("cpus", limits.cpus),
    showLimit("pids", limits.pids),
  ].join(", ")

/** What a model gets where it asks for nothing, and the most that it may ask for. */
const showPolicy = (policy: Policy): string => {
  const { defaults, networks, limits } = policy
  const { image, runtime, network } = defaults
  const weakest = runtime === "strongest" ? [] : atLeastAsStrong(runtime)
  const runtimes = [...new Set([runtime, ...(policy.runtimes ?? weakest)])]
  const { egress } = policy
  const reach =
    egress === undefined || !networks.includes("bridge")
      ? ""
      : ` The network bridge reaches only ${egress.allow.slice(0, 50).join(", ") || "nothing"} here, by HTTP and TLS.`
  return `Default here: image ${image}, runtime ${runtime}, network ${network}, ${showAll(defaults.limits)}. At most: runtime ${runtimes.join(", ")}; network ${networks.join(", ")}; ${showAll(limits)}; image ${showImages(policy)}. More is refused.${reach}`
}

const policies = new WeakMap<SettingsInput, { readonly policy: Policy | undefined }>()

/** The policy of settings, before anything runs; undefined where they can't work, as calls say. */
export const policyOf = (settings: SettingsInput): Policy | undefined => {
  // Sessions of the same sandboxes have the very same settings.
  const known = policies.get(settings) ?? { policy: readPolicy(settings) }
  policies.set(settings, known)
  return known.policy
}

const readPolicy = (settings: SettingsInput) => {
  const read = Effect.map(Settings, ({ policy }) => policy)
  const exit = Effect.runSyncExit(Effect.provide(read, Settings.layer(settings)))
  return Exit.isSuccess(exit) ? exit.value : undefined
}

/** A tool as a model is told of it, with what may be asked for where that is known. */
export const withCeilings = (info: ToolInfo, policy: Policy | undefined): ToolInfo =>
  info.name === "sandbox_create" && policy !== undefined
    ? { ...info, description: `${info.description}\n${showPolicy(policy)}` }
    : info
