import { driverContract } from "../contract/index.ts"
import { copyImage } from "../support/engineContainer.ts"
import { checkGuest, guestEngine, noGuest } from "./guest.ts"

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"
const engine = guestEngine("rootless")
const { layer, client } = engine
if (noGuest === undefined) await copyImage(image, client)

const name = "rootless Docker Engine without systemd"

checkGuest(name, engine, { cgroupDriver: "none", runtime: "runc", limits: false })
driverContract(name, {
  layer,
  image,
  unavailable: noGuest,
  runs: 3,
})
