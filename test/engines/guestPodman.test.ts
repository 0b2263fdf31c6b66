import { beforeAll } from "vitest"
import { driverContract, featureContract } from "../contract/index.ts"
import { runOnlyOn } from "../e2e/stage.ts"
import { checkGuest, guestEngine, guestLacks, noGuest } from "./guest.ts"

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"
const engine = guestEngine("podman")
const { layer, client } = engine
const name = "Podman with crun on cgroup v2"
const options = { layer, image, unavailable: noGuest }

// What Podman loads or commits is named so as well, and it then tells that name of an image.
beforeAll(async () => {
  if (noGuest === undefined) {
    await client
      .getImage(`localhost/${image}`)
      .remove()
      .catch(() => undefined)
  }
})

checkGuest(name, engine, { cgroupDriver: "cgroupfs", runtime: "crun", limits: true })
driverContract(name, { ...options, runs: 3 })
featureContract(name, { ...options, lacks: guestLacks })
runOnlyOn(name, { kind: "docker", layer, missing: noGuest, client })
await import("../e2e/tools.test.ts")
