import {
  defaultLimits,
  ImageReference,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import type { ContainerSummary, NetworkSummary } from "../src/engine/schemas.ts"
import { containerName, nameAhead, networkName, proxyName } from "../src/names.ts"
import { abandonedIn, abandonedSandboxes, type Inventory } from "../src/sandbox/abandoned.ts"

const minutes = (count: number) => count * 60_000
const now = Date.parse("2026-01-01T12:00:00Z")
const age = Duration.minutes(10)

const session = sessionKey(SessionId.make("s"))
const name = SandboxName.make("box")
const id = sandboxId(session, name)

const network = (Name: string, old: number): NetworkSummary => ({
  Id: Name,
  Name,
  Created: new Date(now - old).toISOString(),
})
const container = (Name: string, on: string, old = 0): ContainerSummary => ({
  Id: Name,
  Names: [`/${Name}`],
  Image: "debian:12",
  Created: (now - old) / 1000,
  State: "running",
  Labels: {},
  HostConfig: { NetworkMode: on },
})
const nothing: Inventory = {
  now,
  ours: now,
  networks: [],
  containers: [],
  passingSnapshots: [],
}
const found = (inventory: Partial<Inventory>) =>
  abandonedIn({ ...nothing, ...inventory }, age).map(({ kind, name }) => `${kind} ${name}`)

describe("the list of what is abandoned on an engine", () => {
  it("is empty on an empty engine", () => assert.deepStrictEqual(found({}), []))

  describe("has networks", () => {
    const [used, left, young] = [networkName(), networkName(), networkName()]
    const containers = [container(containerName(id, session), used)]

    it("without a sandbox, from the given age on", () => {
      const networks = [
        network(used, minutes(99)),
        network(left, minutes(10)),
        network(young, minutes(10) - 1),
      ]
      assert.deepStrictEqual(found({ networks, containers }), [`network ${left}`])
    })

    it("by the age on the engine's clock, not ours", () => {
      const networks = [network(left, minutes(1))]
      assert.deepStrictEqual(found({ networks, ours: now + minutes(60) }), [])
      assert.deepStrictEqual(found({ networks, now: now + minutes(60), ours: now }), [
        `network ${left}`,
      ])
    })

    it("except those of a container of the warm pool", () => {
      const networks = [network(used, minutes(99))]
      const ahead = [container(nameAhead(now), used)]
      assert.deepStrictEqual(found({ networks, containers: ahead }), [])
    })

    it("whose only container is their proxy, and that proxy", () => {
      const networks = [network(left, minutes(99))]
      const proxy = [container(proxyName(left), left, minutes(99))]
      assert.deepStrictEqual(found({ networks, containers: proxy }), [
        `network ${left}`,
        `proxy ${proxyName(left)}`,
      ])
    })

    it("except those that Podman lists only on a container", () => {
      const networks = [network(used, minutes(99))]
      const box = {
        ...container(containerName(id, session), "bridge"),
        NetworkSettings: { Networks: { [used]: {} } },
      }
      assert.deepStrictEqual(found({ networks, containers: [box] }), [])
    })
  })

  it("has no proxy that is young or whose sandbox exists", () => {
    const [young, used] = [networkName(), networkName()]
    const containers = [
      container(proxyName(young), "bridge", minutes(1)),
      container(proxyName(used), "bridge", minutes(99)),
      container(containerName(id, session), used),
    ]
    assert.deepStrictEqual(found({ containers }), [])
  })

  it("has containers that a warm pool no longer renews, by our clock, whatever their age", () => {
    const [held, left] = [nameAhead(now - minutes(9)), nameAhead(now - minutes(10))]
    const containers = [container(held, "none", minutes(99)), container(left, "none", minutes(1))]
    assert.deepStrictEqual(found({ containers, now: now + minutes(60) }), [`container ${left}`])
  })

  it("has temporary snapshots unused for ten minutes, whatever the given age", () => {
    const snapshot = (text: string, old: number) => ({
      name: SandboxName.make(text),
      session,
      sandbox: name,
      image: ImageReference.make(`cordon-snapshot:${session}-${text}`),
      createdAt: new Date(now - old),
      size: 1,
    })
    const passingSnapshots = [snapshot("old", minutes(10)), snapshot("new", minutes(9))]
    const all = abandonedIn({ ...nothing, passingSnapshots }, Duration.seconds(1))
    assert.deepStrictEqual(
      all.map(({ name }) => name),
      [passingSnapshots[0]?.image],
    )
    const fork = { ...container(containerName(id, session), "none"), Image: all[0]?.name ?? "" }
    assert.deepStrictEqual(found({ passingSnapshots, containers: [fork] }), [])
  })
})

describe("abandoned sandboxes", () => {
  const sandbox = (instanceId: string, status: "running" | "stopped", box = name) => ({
    id: sandboxId(session, box),
    name: box,
    session,
    instanceId,
    status,
    image: "debian:12",
    runtime: "runc" as const,
    limits: defaultLimits,
    network: "none" as const,
    lease: { idleTimeout: 1000, removeTimeout: minutes(5) },
    workdir: "/",
    createdAt: new Date(now),
  })
  const [one, two] = [SandboxName.make("one"), SandboxName.make("two")]

  it("are stopped for longer than their leases allow", () => {
    const overdue = sandbox("overdue", "stopped", one)
    const kept = sandbox("kept", "stopped", two)
    const stoppedAt = new Map([
      ["overdue", now - minutes(5) - 1],
      ["kept", now - minutes(5)],
    ])
    assert.deepStrictEqual(
      abandonedSandboxes([overdue, kept], stoppedAt, now).map(({ sandbox }) => sandbox),
      [overdue],
    )
  })

  it("are no running ones, nor those without a known end", () => {
    const all = [sandbox("running", "running", one), sandbox("unknown", "stopped", two)]
    assert.deepStrictEqual(abandonedSandboxes(all, new Map([["running", 0]]), now), [])
  })

  it("include older containers of an ID that has a newer one", () => {
    const [older, newer] = [sandbox("older", "running"), sandbox("newer", "running")]
    assert.deepStrictEqual(
      abandonedSandboxes([older, newer], new Map(), now).map(({ sandbox }) => sandbox),
      [older],
    )
  })
})
