import { assert, describe, it } from "@effect/vitest"
import {
  findExcess,
  type NewLease,
  type Quotas,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "../src/index.ts"

const session = sessionKey(SessionId.make("s"))
const lease: NewLease = {
  host: "host-1",
  id: sandboxId(session, SandboxName.make("a")),
  session,
  instanceId: "instance-1",
  phase: "active",
  memory: 100,
  cpus: 0.1,
  disk: 10,
  idleTimeout: 1000,
  removeTimeout: 2000,
}

describe("a quota", () => {
  const none = { sandboxes: 0, memory: 0, cpus: 0, disk: 0 }
  const excess = (quotas: Quotas, used: Partial<typeof none> = {}, host = used) =>
    findExcess(lease, { session: { ...none, ...used }, host: { ...none, ...host } }, quotas)

  it("can be used up to its last unit of each kind, and not beyond", () => {
    const fits = { sandboxes: 1, memory: 100, cpus: 0.1, disk: 10 }
    for (const of of ["session", "host"] as const) {
      assert.isUndefined(excess({ [of]: fits }))
      for (const resource of ["sandboxes", "memory", "cpus", "disk"] as const) {
        const limit = fits[resource]
        assert.deepStrictEqual(excess({ [of]: { [resource]: limit } }, { [resource]: limit }), {
          of,
          resource,
          limit,
        })
        assert.isUndefined(excess({ [of]: { [resource]: 2 * limit } }, { [resource]: limit }))
      }
    }
  })

  it("of fractions of a core is not exceeded by rounding errors", () => {
    assert.isAbove(0.1 + 0.2, 0.3)
    assert.isUndefined(excess({ host: { cpus: 0.3 } }, { cpus: 0.2 }))
    assert.isDefined(excess({ host: { cpus: 0.3 } }, { cpus: 0.201 }))
  })

  it("of a session counts the session's sandboxes, and one of a host counts the host's", () => {
    const quotas = { session: { sandboxes: 3 }, host: { sandboxes: 5 } }
    assert.isUndefined(excess(quotas, { sandboxes: 2 }, { sandboxes: 4 }))
    assert.strictEqual(excess(quotas, { sandboxes: 3 }, { sandboxes: 3 })?.of, "session")
    assert.strictEqual(excess(quotas, { sandboxes: 1 }, { sandboxes: 5 })?.of, "host")
  })

  it("that is not set does not limit", () => {
    assert.isUndefined(excess({}, { sandboxes: 1e9, memory: 1e15, cpus: 1e6, disk: 1e15 }))
    assert.isUndefined(excess({ session: {}, host: {} }, { sandboxes: 1e9 }))
  })
})
