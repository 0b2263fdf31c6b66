import { dockerSwarm } from "@cordon/driver-docker-swarm"
import { afterAll } from "vitest"
import { driverContract } from "../contract/driverContract.ts"
import { noSwarm, startSwarm } from "./cluster.ts"

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"
const small = process.env["CORDON_TEST_BUSYBOX_IMAGE"] ?? image
const cluster = noSwarm === undefined ? await startSwarm([image, small]) : undefined
afterAll(() => cluster?.stop(), 120_000)

const live = dockerSwarm({
  managers: [cluster?.manager.endpoint ?? "tcp://127.0.0.1:1"],
  tls: cluster?.tls ?? {},
})

driverContract("docker-swarm on three engines", {
  layer: live,
  image,
  unavailable: noSwarm,
  runs: 3,
})
