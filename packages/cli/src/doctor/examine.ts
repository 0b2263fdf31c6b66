import { type DriverCapabilities, SandboxDriver } from "@cordon/core"
import { DockerEngine, findEndpoint } from "@cordon/driver-docker"
import type { schemas } from "@cordon/driver-docker/engine"
import { capacityOf, freeSubnets, parsePool, subnetsOf } from "@cordon/driver-docker/sandbox"
import { Effect, Option } from "effect"
import { connected, defaultSubnetPool } from "../flags.ts"
import { listOrphans } from "../orphans.ts"
import { checkConfinement } from "./confinement.ts"
import { hostChecks, isRootless, limitMend, runtimeOf, storeOf } from "./host.ts"
import { checkLimits } from "./limits.ts"
import { checkOverlays } from "./overlays.ts"
import { within } from "./progress.ts"
import type { Check, DoctorReport } from "./report.ts"
import { checkRuntimes } from "./runtimes.ts"

type Findings = Omit<DoctorReport, "verdict">

const nothing: Findings = {
  runtimes: [],
  limits: { memory: "unknown", cpus: "unknown", pids: "unknown" },
  orphans: [],
  checks: [],
}

const verdictOf = (checks: ReadonlyArray<Check>): DoctorReport["verdict"] =>
  checks.some(({ status }) => status === "failed")
    ? "broken"
    : checks.some(({ status }) => status !== "ok")
      ? "limping"
      : "healthy"

const checkAddresses = Effect.gen(function* () {
  const engine = yield* DockerEngine
  const pool = yield* parsePool(defaultSubnetPool)
  const used = subnetsOf(yield* engine.networkList())
  const addresses = {
    pool: defaultSubnetPool,
    total: capacityOf(pool),
    free: [...freeSubnets(pool, used, 0)].length,
  }
  const detail = `${addresses.free} of ${addresses.total} subnets of ${addresses.pool} are free`
  const mend = "Remove what is abandoned with cordon gc, or give the driver a larger subnetPool."
  const scarce = addresses.free < addresses.total / 10
  const check: Check = {
    name: "addresses",
    status: addresses.free === 0 ? "failed" : scarce ? "warning" : "ok",
    detail,
    mend: scarce ? mend : undefined,
  }
  return { addresses, check }
})

const checkOrphans = Effect.map(listOrphans(), (orphans) => ({
  orphans,
  check: (orphans.length === 0
    ? { name: "orphans", status: "ok", detail: "nothing is abandoned" }
    : {
        name: "orphans",
        status: "warning",
        detail: `${orphans.length} abandoned: ${orphans
          .slice(0, 5)
          .map(({ kind, name }) => `${kind} ${name}`)
          .join(", ")}${orphans.length > 5 ? ", ..." : ""}`,
        mend: "Remove them with cordon gc.",
      }) satisfies Check,
}))

/** Checks that run containers. Without an image to run, only the offered runtimes are listed. */
const checkInside = Effect.fnUntraced(function* (
  image: string,
  info: schemas.EngineInfo,
  { enforced, runtimes: offers }: DriverCapabilities,
) {
  const engine = yield* DockerEngine
  const present = yield* Effect.option(engine.imageInspect(image))
  if (Option.isSome(present)) {
    const runtimes = yield* checkRuntimes(image, info)
    const limits = yield* checkLimits(image, limitMend(info, enforced))
    const confinement = yield* checkConfinement(image)
    const found = Object.fromEntries(limits.map(({ limit, enforcement }) => [limit, enforcement]))
    return {
      runtimes: runtimes.map(({ offer, check }) => ({
        ...offer,
        works: check.status !== "failed",
      })),
      limits: { ...nothing.limits, ...found },
      checks: [...[...runtimes, ...limits].map(({ check }) => check), confinement],
    }
  }
  const check: Check = {
    name: "limits and runtimes",
    status: "skipped",
    detail: `the engine does not have the image ${image}, which this check runs`,
    mend: `Pull it (docker pull ${image}), or name one that the engine has with --image.`,
  }
  return { runtimes: offers, limits: nothing.limits, checks: [check] }
})

const examineEngine = Effect.fnUntraced(function* (image: string) {
  const engine = yield* DockerEngine
  const driver = yield* SandboxDriver
  const [version, info, capabilities] = yield* Effect.all([
    engine.version,
    engine.info,
    driver.capabilities,
  ]).pipe(within(`waiting for the engine at ${engine.endpoint}`, 90))
  const inside = yield* checkInside(image, info, capabilities)
  const { addresses, check: addressCheck } = yield* within(
    "looking at networks",
    60,
  )(checkAddresses)
  const { orphans, check: orphanCheck } = yield* within(
    "looking for what is abandoned",
    60,
  )(checkOrphans)
  return {
    engine: {
      version: version.Version,
      apiVersion: version.ApiVersion,
      platform: `${version.Os}/${version.Arch}`,
      cgroupVersion: info.CgroupVersion ?? "1",
      cgroupDriver: info.CgroupDriver || undefined,
      defaultRuntime: runtimeOf(info),
      imageStore: storeOf(info),
      rootless: isRootless(info),
    },
    runtimes: inside.runtimes,
    limits: inside.limits,
    addresses,
    orphans,
    checks: [
      ...hostChecks(version, info, capabilities.enforced),
      ...checkOverlays(info),
      ...inside.checks,
      addressCheck,
      orphanCheck,
    ],
  }
})

/** Checks everything that sandboxes need. Never fails: failures are part of the report. */
export const examine = Effect.fnUntraced(function* (
  host: Option.Option<string>,
  image: string,
): Effect.fn.Return<DoctorReport> {
  const report = (findings: Findings): DoctorReport => ({
    verdict: verdictOf(findings.checks),
    ...findings,
  })
  const found = yield* Effect.result(
    within("looking for an engine", 30)(findEndpoint(Option.getOrUndefined(host))),
  )
  if (found._tag === "Failure") {
    const check: Check = {
      name: "endpoint",
      status: "failed",
      detail: "no engine was found anywhere",
      mend: found.failure.message,
    }
    return report({ ...nothing, checks: [check] })
  }
  // The part that could hold a password is not repeated.
  const endpoint = {
    host: found.success.host.replace(/\/\/[^/@]*@/, "//"),
    source: found.success.source,
  }
  const check: Check = {
    name: "endpoint",
    status: "ok",
    detail: `${endpoint.host}, because ${endpoint.source}`,
  }
  return yield* examineEngine(image).pipe(
    Effect.provide(connected(host)),
    Effect.map((findings) =>
      report({ endpoint, ...findings, checks: [check, ...findings.checks] }),
    ),
    Effect.catch((error) => {
      const failed: Check = {
        name: "engine",
        status: "failed",
        detail: error.message,
        mend: "Start the engine (systemctl start docker), let this user open its socket (usermod -aG docker USER), or name another one with --host or CONTAINER_SANDBOX_DOCKER_HOST.",
      }
      return Effect.succeed(report({ ...nothing, endpoint, checks: [check, failed] }))
    }),
  )
})
