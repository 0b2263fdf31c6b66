import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { noEngine } from "../support/docker.ts"
import { sessionContract } from "./sandbox/sessions.ts"

sessionContract("memory", {
  layer: memory(),
  image: "ubuntu:24.04",
  many: { sessions: 1000, sandboxes: 150 },
})

sessionContract("docker", {
  layer: docker(),
  image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
  unavailable: noEngine,
  many: { sessions: 1000, sandboxes: 4 },
})
