import { dockerRemote } from "@cordon/driver-docker-remote"
import { afterAll } from "vitest"
import { driverContract, featureContract } from "../contract/index.ts"
import { runOnlyOn } from "../e2e/stage.ts"
import { noEngineContainers, startEngine } from "../support/engineContainer.ts"

const gitImage = process.env["CORDON_TEST_GIT_IMAGE"]
const engine =
  noEngineContainers === undefined
    ? await startEngine({ tls: false, images: gitImage === undefined ? [] : [gitImage] })
    : undefined
afterAll(() => engine?.stop())

const name = "docker-remote over plain TCP"
const layer = dockerRemote({ host: `tcp://127.0.0.1:${engine?.port}` })

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"

driverContract(name, { layer, image, unavailable: noEngineContainers, runs: 5 })
featureContract(name, {
  layer,
  image,
  gitImage,
  machine: engine?.machine,
  unavailable: noEngineContainers,
})

// The tools' tests read it: another engine reaches the registry by another way.
if (engine?.registry !== undefined) process.env["CORDON_TEST_REGISTRY"] = engine.registry
runOnlyOn(name, { kind: "docker", layer, missing: noEngineContainers, client: engine?.client })
await import("../e2e/tools.test.ts")
