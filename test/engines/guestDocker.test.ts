import { driverContract, featureContract } from "../contract/index.ts"
import { runOnlyOn } from "../e2e/stage.ts"
import { checkGuest, guestEngine, guestLacks, noGuest } from "./guest.ts"

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"
const engine = guestEngine("docker")
const { layer, client } = engine
const name = "Docker Engine on cgroup v2"
const options = { layer, image, unavailable: noGuest }

checkGuest(name, engine, { cgroupDriver: "cgroupfs", runtime: "runc", limits: true })
driverContract(name, { ...options, runs: 3 })
featureContract(name, { ...options, lacks: guestLacks })
runOnlyOn(name, { kind: "docker", layer, missing: noGuest, client })
await import("../e2e/tools.test.ts")
