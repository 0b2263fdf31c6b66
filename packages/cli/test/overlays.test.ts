import { assert, it } from "vitest"
import { checkOverlays } from "../src/doctor/overlays.ts"

const host = { NCPU: 1, MemTotal: 1 }

it("the doctor warns that sandboxes of an engine in a swarm reach the swarm's networks", () => {
  const checks = checkOverlays({ ...host, Swarm: { LocalNodeState: "active" } })
  assert.deepStrictEqual(
    checks.map(({ status }) => status),
    ["warning"],
  )
})

it("the doctor says nothing about overlay networks on an engine without a swarm", () => {
  for (const info of [host, { ...host, Swarm: { LocalNodeState: "inactive" } }]) {
    assert.isEmpty(checkOverlays(info))
  }
})
