import { docker } from "@cordon/driver-docker"
import { noEngine } from "../support/docker.ts"
import { driverContract } from "./index.ts"

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"

driverContract("docker", { layer: docker(), image, unavailable: noEngine, runs: 15 })
