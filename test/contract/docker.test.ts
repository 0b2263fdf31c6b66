import { docker } from "@cordon/driver-docker"
import { noEngine } from "../support/docker.ts"
import { driverContract } from "./driverContract.ts"

driverContract("docker", {
  layer: docker(),
  image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
  unavailable: noEngine,
  runs: 15,
})
