import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { noEngine } from "../support/docker.ts"
import { needs } from "../support/skips.ts"
import { featureContract } from "./index.ts"

featureContract("memory", {
  layer: memory(),
  image: "ubuntu:24.04",
  lacks: {
    permissions: "the in-memory driver runs everything as root, as its capabilities say",
    specialFiles: "the in-memory driver has no special files",
    processes: "the in-memory driver has no processes, as its capabilities say",
    ports: "the in-memory driver has no network, as its capabilities say",
    snapshots: "the in-memory driver has no snapshots, as its capabilities say",
    terminals: "the in-memory driver has no terminals, as its capabilities say",
    pause: "the in-memory driver has nothing to pause, as its capabilities say",
    git: "the in-memory driver's interpreter has no git, as its capabilities say",
  },
})

featureContract("docker", {
  layer: docker(),
  image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
  gitImage: process.env["CORDON_TEST_GIT_IMAGE"],
  unavailable: noEngine,
})

const busybox = process.env["CORDON_TEST_BUSYBOX_IMAGE"]

featureContract("docker, busybox", {
  layer: docker(),
  image: busybox ?? "busybox",
  unavailable:
    noEngine ??
    (busybox === undefined
      ? needs("an image", "CORDON_TEST_BUSYBOX_IMAGE is not set, as CI does")
      : undefined),
})
