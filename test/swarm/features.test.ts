import { dockerSwarm } from "@cordon/driver-docker-swarm"
import { describe, it } from "@effect/vitest"
import { afterAll } from "vitest"
import { driverContract, partsContract } from "../contract/index.ts"
import { transparent } from "../egress/transparent.ts"
import { wayOut } from "../egress/wayOut.ts"
import { noGvisor } from "../support/docker.ts"
import { noNewerEngines } from "../support/engineContainer.ts"
import { skipped } from "../support/skipped.ts"
import { needs } from "../support/skips.ts"
import { noSwarm, startSwarm } from "./cluster.ts"
import { gvisorSuite } from "./gvisor.ts"
import { newestSuite } from "./newest.ts"
import { snapshotPlaces } from "./snapshots.ts"
import { checkOn, image, small } from "./support.ts"
import { warmPoolSuite } from "./warmPool.ts"

const cluster =
  noSwarm === undefined
    ? await startSwarm([image, small], { gvisor: noGvisor === undefined })
    : undefined
afterAll(() => cluster?.stop(), 120_000)

const reached = {
  managers: [cluster?.manager.endpoint ?? "tcp://127.0.0.1:1"],
  tls: cluster?.tls ?? {},
}
const driverWith = (warmPool: number | { readonly size: number; readonly kinds: number }) =>
  dockerSwarm({ ...reached, warmPool })
const without = driverWith(0)
const noRegistry =
  process.env["CORDON_TEST_REGISTRY"] === undefined
    ? needs("a registry", "CORDON_TEST_REGISTRY is not set, as CI does")
    : undefined

// Nobody who uses a sandbox may be able to tell that it was made before it was asked for.
driverContract("docker-swarm with a warm pool", {
  layer: driverWith({ size: 2, kinds: 2 }),
  image,
  unavailable: noSwarm,
  spec: { limits: { memory: 256 * 1024 ** 2, cpus: 0.5, pids: 128 } },
  runs: 2,
})

partsContract("Snapshots: docker-swarm", ["snapshots"], {
  layer: without,
  image,
  unavailable: noSwarm,
  timeout: 120_000,
  settings: {
    limits: { memory: "256MiB", cpus: 0.3 },
    // So that whose a snapshot is decides about it, and not its name alone.
    allow: { registries: ["docker.io", "127.0.0.1:1"] },
  },
})

describe("a swarm's snapshots", () => {
  snapshotPlaces(
    checkOn(cluster, without),
    checkOn(noRegistry === undefined ? cluster : undefined, without, noRegistry),
    (snapshotRepository) => dockerSwarm({ ...reached, warmPool: 0, snapshotRepository }),
  )
})

describe("a warm pool on a swarm", () => {
  warmPoolSuite(checkOn(cluster, driverWith({ size: 1, kinds: 2 })), driverWith, without)
})

describe("an egress proxy for a sandbox on a swarm", () => {
  for (const [title, run] of [
    ["applies rules that change while the sandbox runs", wayOut],
    ["takes connections of programs that use no proxy", transparent],
  ] as const) {
    if (noSwarm === undefined) it(title, () => run({ driver: without, image }), 120_000)
    else skipped(title, noSwarm)
  }
})

describe("a node with gVisor", () => {
  gvisorSuite(checkOn(noGvisor === undefined ? cluster : undefined, without, noGvisor))
})

describe("a node with the newest engine", () => {
  newestSuite(checkOn(noNewerEngines === undefined ? cluster : undefined, without, noNewerEngines))
})
