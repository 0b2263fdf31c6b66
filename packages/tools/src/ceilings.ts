import {
  atLeastAsStrong,
  isEgressRules,
  type Limits,
  type Policy,
  Settings,
  type SettingsInput,
  showImages,
  showLimit,
} from "@cordon/core"
import { Effect, Exit } from "effect"
import { cutShort, showRules } from "./showRules.ts"
import type { ToolInfo } from "./Tool.ts"

const showAll = (limits: Limits) =>
  [
    `${showLimit("memory", limits.memory)} of memory`,
    showLimit("cpus", limits.cpus),
    showLimit("pids", limits.pids),
  ].join(", ")

/** The destinations of the network `bridge`, if they are restricted. */
const showReach = ({ defaults, egress, networks }: Policy): string => {
  if (egress === undefined || !networks.includes("bridge")) return ""
  const rules = defaults.egress && isEgressRules(defaults.egress) ? defaults.egress : { allow: {} }
  const others = egress.allow.filter((to) => !Object.hasOwn(rules.allow, to))
  const all = cutShort([...showRules(rules), ...others])
  return ` The network bridge reaches only ${all.join(", ") || "nothing"} here, by HTTP and TLS.`
}

/** The defaults and the ceilings of a model's requests. */
const showPolicy = (policy: Policy): string => {
  const { defaults, networks, limits } = policy
  const { image, runtime, network } = defaults
  const weakest = runtime === "strongest" ? [] : atLeastAsStrong(runtime)
  const runtimes = [...new Set([runtime, ...(policy.runtimes ?? weakest)])]
  return `Default here: image ${image}, runtime ${runtime}, network ${network}, ${showAll(defaults.limits)}. At most: runtime ${runtimes.join(", ")}; network ${networks.join(", ")}; ${showAll(limits)}; image ${showImages(policy)}. More is refused.${showReach(policy)}`
}

const policies = new WeakMap<SettingsInput, { readonly policy: Policy | undefined }>()

/**
 * The policy of settings, before anything runs; undefined if the settings are invalid, which the
 * calls report.
 */
export const policyOf = (settings: SettingsInput): Policy | undefined => {
  // Sessions of the same sandboxes share the same settings object.
  const known = policies.get(settings) ?? { policy: readPolicy(settings) }
  policies.set(settings, known)
  return known.policy
}

const readPolicy = (settings: SettingsInput) => {
  const read = Effect.map(Settings, ({ policy }) => policy)
  const exit = Effect.runSyncExit(Effect.provide(read, Settings.layer(settings)))
  return Exit.isSuccess(exit) ? exit.value : undefined
}

/** A tool's description for a model, with the ceilings if they are known. */
export const withCeilings = (info: ToolInfo, policy: Policy | undefined): ToolInfo =>
  info.name === "sandbox_create" && policy !== undefined
    ? { ...info, description: `${info.description}\n${showPolicy(policy)}` }
    : info
