import { ConfigProvider, Effect, Option } from "effect"
import { Flag } from "effect/cli"

const optional = (name: string, description: string) =>
  Flag.String(name).pipe(Flag.withDescription(description), Flag.optional)

/** Flags for the settings that environment variables also set: the defaults and the ceilings of sandboxes. */
export const settingsFlags = {
  IMAGE: optional("image", "Image of sandboxes: ubuntu:24.04"),
  RUNTIME: optional("runtime", "Runtime of sandboxes, and the weakest that may be asked for: runc"),
  NETWORK: optional("network", "Network of sandboxes, and the widest: bridge, internal or none"),
  MEMORY: optional("memory", "Memory of a sandbox, and the most: 2GiB").pipe(Flag.withAlias("m")),
  CPUS: optional("cpus", "Cores of a sandbox, and the most: 1"),
  PIDS: optional("pids", "Processes of a sandbox, and the most: 256"),
  DISK: optional("disk", "Disk space of a sandbox, and the most, where the host can limit it"),
  REQUIRE_LIMITS: optional("require-limits", "Limits that the host must enforce: memory,cpus,pids"),
  PULL: optional("pull", "When a registry is asked for an image: missing, or always"),
  ALLOW_IMAGES: optional("allow-images", "Images that may be asked for: python,ghcr.io/acme/*"),
  ALLOW_REGISTRIES: optional("allow-registries", "Registries whose images may be asked for"),
  ALLOW_RUNTIMES: optional("allow-runtimes", "Runtimes that may be asked for: gvisor,runc"),
  ALLOW_NETWORKS: optional("allow-networks", "Networks that may be asked for: internal,bridge"),
  ALLOW_MEMORY: optional("allow-memory", "Most memory that may be asked for"),
  ALLOW_CPUS: optional("allow-cpus", "Most cores that may be asked for"),
  ALLOW_PIDS: optional("allow-pids", "Most processes that may be asked for"),
  ALLOW_DISK: optional("allow-disk", "Most disk space that may be asked for"),
}

type Given = { readonly [Name in keyof typeof settingsFlags]?: Option.Option<string> }

/** Reads settings from flags; a missing one is taken from the environment. */
export const withSettings = (given: Given) => {
  const flags = Object.entries(given).flatMap(([name, value]) =>
    Option.isSome(value) ? [[`CONTAINER_SANDBOX_${name}`, value.value] as const] : [],
  )
  const ours = ConfigProvider.fromEnv({ env: Object.fromEntries(flags) })
  const provider = ConfigProvider.orElse(ours, ConfigProvider.fromEnv())
  return Effect.provideService(ConfigProvider.ConfigProvider, provider)
}
