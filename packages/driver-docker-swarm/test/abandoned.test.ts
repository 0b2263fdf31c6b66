import { SandboxId } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import type { Network, Node, Service, Task } from "../src/manager/schemas.ts"
import { abandonedNetworks, abandonedServices, aheadLeft } from "../src/sandbox/abandoned.ts"

const now = Date.parse("2026-01-01T12:00:00Z")
const service = (
  ID: string,
  seconds: number,
  Labels: Readonly<Record<string, string>>,
): Service => ({
  ID,
  Version: { Index: 1 },
  CreatedAt: "2026-01-01T00:00:00Z",
  UpdatedAt: new Date(now - seconds * 1000).toISOString(),
  Spec: { Name: ID, Labels, TaskTemplate: { ContainerSpec: { Image: "image" } } },
})
const ahead = { "dev.cordon.ahead": "1" }
const owned = { ...ahead, "dev.cordon.owner": "cordon-0123456789abcdef-box" }
const left = (services: ReadonlyArray<Service>) =>
  aheadLeft(services, now, Duration.minutes(15)).map(({ ID }) => ID)

describe("services of a warm pool", () => {
  it("are abandoned when they were not renewed for long", () => {
    assert.deepStrictEqual(
      left([service("held", 300, ahead), service("dead", 1000, ahead), service("box", 9999, {})]),
      ["dead"],
    )
  })

  it("are abandoned when their handing out was interrupted, and not while it is in progress", () => {
    assert.deepStrictEqual(left([service("now", 5, owned), service("broken", 61, owned)]), [
      "broken",
    ])
  })

  it("are kept by the sandbox that they became, however old it is", () => {
    const name = service("name", 9999, { "dev.cordon.service": "running" })
    assert.deepStrictEqual(left([service("running", 9999, owned), name]), [])
  })
})

describe("services whose creation was interrupted", () => {
  const creating = { "dev.cordon.state": "creating" }
  const broken = (services: ReadonlyArray<Service>, olderThan: Duration.Input, only?: string) =>
    abandonedServices(
      services,
      now,
      Duration.fromInputUnsafe(olderThan),
      only === undefined ? undefined : SandboxId.make(only),
    ).broken.map(({ ID }) => ID)
  const box = "cordon-0123456789abcdef-box"

  it("are those without a sign of life for a minute, even in a sweep of older ones", () => {
    const services = [service("goes on", 59, creating), service("broken", 60, creating)]
    assert.deepStrictEqual(broken(services, "15 minutes"), ["broken"])
  })

  it("are those without a sign of life for 12 seconds, even in a sweep of all ages", () => {
    const services = [service("goes on", 11, creating), service("broken", 12, creating)]
    assert.deepStrictEqual(broken(services, 0), ["broken"])
  })

  it("do not include finished sandboxes, nor those of another requested sandbox", () => {
    const services = [service("sandbox", 9999, {}), service("other", 9999, creating)]
    assert.deepStrictEqual(broken(services, 0, box), [])
    assert.deepStrictEqual(broken([service(box, 9999, creating)], 0, box), [box])
  })
})

describe("networks of a swarm", () => {
  const attempt = { "dev.cordon.attempt": "a" }
  const network = (seconds: number): Network => ({
    Id: "network",
    Name: "cordon-a",
    Driver: "overlay",
    Created: new Date(now - seconds * 1000).toISOString(),
    Labels: attempt,
  })
  const task: Task = {
    ID: "task",
    NodeID: "node",
    DesiredState: "remove",
    Spec: { ContainerSpec: { Labels: attempt } },
    Status: { State: "running" },
  }
  const node = (State: string): Node => ({
    ID: "node",
    Spec: { Availability: "active" },
    Description: { Hostname: "node", Resources: {} },
    Status: { State },
  })
  const nothing = { now, services: [], tasks: [], nodes: [] }
  const abandoned = (listed: Partial<Parameters<typeof abandonedNetworks>[0]>, seconds = 600) =>
    abandonedNetworks({ ...nothing, networks: [network(seconds)], ...listed }, Duration.minutes(10))
      .length

  it("are abandoned from the given age on when no service uses them", () => {
    assert.strictEqual(abandoned({}), 1)
    assert.strictEqual(abandoned({}, 599), 0)
    assert.strictEqual(abandoned({ services: [service("box", 9999, attempt)] }), 0)
  })

  it("are kept by a task that has not ended yet, unless its node is lost", () => {
    assert.strictEqual(abandoned({ tasks: [task], nodes: [node("ready")] }), 0)
    assert.strictEqual(abandoned({ tasks: [task], nodes: [node("down")] }), 1)
    assert.strictEqual(abandoned({ tasks: [task] }), 1)
  })
})
