import { dockerRemote } from "@cordon/driver-docker-remote"
import { afterAll } from "vitest"
import { driverContract } from "../contract/driverContract.ts"
import { runOnlyOn } from "../e2e/stage.ts"
import { noEngineContainers, startEngine } from "../support/engineContainer.ts"

const engine = noEngineContainers === undefined ? await startEngine({ tls: true }) : undefined
afterAll(() => engine?.stop())

const name = "docker-remote over mutual TLS"
const layer = dockerRemote({
  host: `tcp://localhost:${engine?.port}`,
  ...(engine?.tls === undefined ? {} : { tls: engine.tls }),
})

driverContract(name, {
  layer,
  image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
  unavailable: noEngineContainers,
  runs: 5,
})

// The tools' tests read it: another engine reaches the registry by another way.
if (engine?.registry !== undefined) process.env["CORDON_TEST_REGISTRY"] = engine.registry
runOnlyOn(name, { kind: "docker", layer, missing: noEngineContainers, client: engine?.client })
await import("../e2e/tools.test.ts")
