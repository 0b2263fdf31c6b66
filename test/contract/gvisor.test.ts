import { docker } from "@cordon/driver-docker"
import { noGvisor } from "../support/docker.ts"
import { driverContract } from "./index.ts"

driverContract("docker with gVisor", {
  layer: docker(),
  image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
  unavailable: noGvisor,
  spec: { runtime: "gvisor" },
  runs: 15,
})
