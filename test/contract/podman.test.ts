import { docker } from "@cordon/driver-docker"
import { noPodman, podman } from "../support/podman.ts"
import { driverContract } from "./driverContract.ts"

const { host, image, ulimits } = podman

driverContract("podman", {
  layer: docker({ host, ulimits, subnetPool: "10.214.0.0/16" }),
  image,
  unavailable: noPodman,
  runs: 5,
})
