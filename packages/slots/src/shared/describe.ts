import { formatMemory, type PromiseSandbox } from "@cordon/core"

const reach = {
  bridge: "It has a network of its own with a way out, as far as its operator allows.",
  internal: "It has no way out to other networks.",
  none: "It has no network.",
} as const

/** A sandbox in words for a model. */
export const describe = ({ name, info }: PromiseSandbox): string => {
  const { image, workdir, limits, network } = info
  return [
    `A Linux container (${name}, image ${image}).`,
    `Commands start in ${workdir}, which relative paths are relative to. Each is run by a shell of its own: files last, variables and "cd" do not.`,
    `Limits: ${formatMemory(limits.memory)} of memory, ${limits.cpus} CPUs, ${limits.pids} processes. ${reach[network]}`,
  ].join("\n")
}
