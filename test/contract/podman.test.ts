import { docker } from "@cordon/driver-docker"
import { noPodman, podman } from "../support/podman.ts"
import { driverContract, featureContract } from "./index.ts"

const { host, image, ulimits } = podman

driverContract("podman", {
  layer: docker({ host, ulimits, subnetPool: "10.214.0.0/16" }),
  image,
  unavailable: noPodman,
  runs: 5,
})

featureContract("podman", {
  layer: docker({ host, ulimits, subnetPool: "10.214.0.0/16" }),
  image,
  unavailable: noPodman,
})

// In this file too: the contract sweeps what nobody uses, also of tests beside it.
await import("../podman/sandboxes.ts")
