import { dockerRemote } from "@cordon/driver-docker-remote"
import { afterAll } from "vitest"
import { driverContract } from "../contract/driverContract.ts"
import { noEngineContainers, startEngine } from "../support/engineContainer.ts"

const engine = noEngineContainers === undefined ? await startEngine({ tls: true }) : undefined
afterAll(() => engine?.stop())

driverContract("docker-remote over mutual TLS", {
  layer: dockerRemote({
    host: `tcp://localhost:${engine?.port}`,
    ...(engine?.tls === undefined ? {} : { tls: engine.tls }),
  }),
  image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
  unavailable: noEngineContainers,
  runs: 5,
})
