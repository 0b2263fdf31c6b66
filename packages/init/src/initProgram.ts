import { TaggedError } from "@cordon/core"
import { Effect, Schema } from "effect"

/** A processor that the init is built for, as container images name it. */
export type Architecture = "amd64" | "arm64"

/** The init is built for other processors only. */
export class UnsupportedArchitecture extends TaggedError<UnsupportedArchitecture>()(
  "UnsupportedArchitecture",
  {
    /** As the engine names it. */
    architecture: Schema.String,
  },
) {
  override get message() {
    return `A sandbox can't run on the architecture ${JSON.stringify(this.architecture)}: its first process is built for linux/amd64 and linux/arm64. Use a host of one of these.`
  }
}

// Each is a module of its own, so that a program loads only the one that it needs, and a bundler finds both.
const load: Readonly<Record<Architecture, () => Promise<{ readonly default: string }>>> = {
  amd64: () => import("./generated/amd64.ts"),
  arm64: () => import("./generated/arm64.ts"),
}

/** Images have Go's names, hosts say what their kernel says. */
const names: ReadonlyMap<string, Architecture> = new Map([
  ["amd64", "amd64"],
  ["x86_64", "amd64"],
  ["arm64", "arm64"],
  ["aarch64", "arm64"],
])

/**
 * The program that is process 1 of a sandbox: a static ELF executable. It takes the architecture by
 * any name that an engine has for it: `amd64`, `x86_64`, `arm64` or `aarch64`.
 *
 * @example
 * import { initProgram } from "@cordon/init"
 *
 * const program = yield* initProgram("amd64")
 */
export const initProgram = Effect.fn("initProgram")(function* (architecture: string) {
  const known = names.get(architecture)
  if (known === undefined) return yield* new UnsupportedArchitecture({ architecture })
  const { default: base64 } = yield* Effect.promise(load[known])
  return new Uint8Array(Buffer.from(base64, "base64"))
})
