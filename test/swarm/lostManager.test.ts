import { dockerSwarm } from "@cordon/driver-docker-swarm"
import { afterAll, describe } from "vitest"
import { lostManager } from "./brokenOff.ts"
import { noSwarm, startSwarm } from "./cluster.ts"
import { checkOn, image, small } from "./support.ts"

// A swarm of its own: nodes take long to become managers where the one that was there was away.
const cluster = noSwarm === undefined ? await startSwarm([image, small]) : undefined
afterAll(() => cluster?.stop(), 120_000)

const one = dockerSwarm({
  managers: [cluster?.manager.endpoint ?? "tcp://127.0.0.1:1"],
  tls: cluster?.tls ?? {},
})

describe("a swarm whose only manager is lost", () => {
  lostManager(checkOn(cluster, one), one)
})
