import { docker } from "@cordon/driver-docker"
import { noEngine } from "../support/docker.ts"
import { driverContract } from "./driverContract.ts"

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"

driverContract("docker", { layer: docker(), image, unavailable: noEngine, runs: 15 })

// Nobody may be able to tell by what a command does who started it.
driverContract("docker without exec channels", {
  layer: docker({ execChannel: false }),
  image,
  unavailable: noEngine,
  runs: 5,
})
