import { dockerRemote } from "@cordon/driver-docker-remote"
import { afterAll } from "vitest"
import { driverContract } from "../contract/driverContract.ts"
import { noEngineContainers, startEngine } from "../support/engineContainer.ts"

const engine = noEngineContainers === undefined ? await startEngine({ tls: false }) : undefined
afterAll(() => engine?.stop())

driverContract("docker-remote over plain TCP", {
  layer: dockerRemote({ host: `tcp://127.0.0.1:${engine?.port}` }),
  image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
  unavailable: noEngineContainers,
  runs: 5,
})
