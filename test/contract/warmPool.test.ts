import { docker } from "@cordon/driver-docker"
import { noEngine } from "../support/docker.ts"
import { driverContract } from "./index.ts"

// Nobody who uses a sandbox may be able to tell that it was made before it was asked for.
driverContract("docker with a warm pool", {
  layer: docker({ warmPool: { size: 3, kinds: 2, networks: 1 } }),
  image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
  unavailable: noEngine,
  runs: 5,
})
