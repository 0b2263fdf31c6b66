import { docker } from "@cordon/driver-docker"
import { noGvisor } from "../support/docker.ts"
import { featureContract } from "./index.ts"

featureContract("docker with gVisor", {
  layer: docker(),
  image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
  unavailable: noGvisor,
  settings: { runtime: "gvisor" },
  timeout: 180_000,
  lacks: {
    rootForges: "gVisor lets root inside write to pipes that other users have open",
    pidsLimit: "gVisor's limit of processes can be got past, as the capabilities say",
  },
})
