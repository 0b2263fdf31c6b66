import { docker } from "@cordon/driver-docker"
import { noGvisor } from "../support/docker.ts"
import { featureContract } from "./featureContract.ts"

featureContract("docker with gVisor", {
  layer: docker(),
  image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
  unavailable: noGvisor,
  settings: { runtime: "gvisor" },
  timeout: 180_000,
  lacks: { keptLogs: "gVisor keeps /tmp in memory, and the logs with it: a stop loses them" },
})
