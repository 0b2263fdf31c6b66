// A program that is the way out of a sandbox, and is killed: `killed.ts SESSION IMAGE DESTINATION`.
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { egressBroker } from "@cordon/egress"

const [sessionId = "", image = "", destination = ""] = process.argv.slice(2)
const sandboxes = createSandboxes({
  driver: docker(),
  image,
  sessionId,
  removeOnClose: false,
  egressBroker: egressBroker({ hosts: { "good.test": "127.0.0.1" } }),
})
await sandboxes.create({
  name: "box",
  egress: { allow: { [destination]: { methods: ["GET"] } }, allowAddresses: ["127.0.0.0/8"] },
})
console.log("open")
setInterval(() => {}, 1000)
