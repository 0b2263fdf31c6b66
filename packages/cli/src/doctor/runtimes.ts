import { type RuntimeOffer, SandboxDriver } from "@cordon/core"
import { isPodman, type schemas } from "@cordon/driver-docker/engine"
import { Effect } from "effect"
import { runtimeOf } from "./host.ts"
import { probe } from "./probe.ts"
import { within } from "./progress.ts"
import type { Check } from "./report.ts"

const isGvisor = "Starting gVisor"

const judge = (offer: RuntimeOffer, saw: string, runs: string): Check => {
  const name = `runtime ${offer.runtime}`
  if (offer.runtime === "gvisor" && !saw.includes(isGvisor)) {
    return {
      name,
      status: "failed",
      detail: "a sandbox ran with it, but not on gVisor's kernel",
      mend: "Let the runtime of that name run runsc in the engine's daemon.json.",
    }
  }
  if (!offer.keepsFiles) {
    return {
      name,
      status: "warning",
      detail: `a sandbox ran with it (${offer.isolation}); a stop would lose a sandbox's files, so idle sandboxes are not stopped`,
      mend: 'Register runsc with "runtimeArgs": ["--overlay2=none"] in the engine\'s daemon.json.',
    }
  }
  return { name, status: "ok", detail: `a sandbox ran with it (${offer.isolation})${runs}` }
}

/** Runs a sandbox with each runtime that the engine has registered: some are only registered. */
export const checkRuntimes = Effect.fnUntraced(function* (image: string, info: schemas.EngineInfo) {
  const { runtimes } = yield* (yield* SandboxDriver).capabilities
  // Podman runs this one for every request.
  const runs = isPodman(info) ? `; Podman runs ${runtimeOf(info)}` : ""
  return yield* Effect.forEach(runtimes, (offer) =>
    probe(image, "dmesg 2>/dev/null | head -n 1; true", {}, offer.runtime).pipe(
      within(`trying the runtime ${offer.runtime} in a sandbox`, 90),
      Effect.map(({ stdout }) => judge(offer, stdout, runs)),
      Effect.catch((error) =>
        Effect.succeed<Check>({
          name: `runtime ${offer.runtime}`,
          status: "failed",
          detail: `registered, but no sandbox runs with it: ${error.message}`,
          mend: "Install the runtime, or remove it from the engine's daemon.json.",
        }),
      ),
      Effect.map((check) => ({ offer, check })),
    ),
  )
})
