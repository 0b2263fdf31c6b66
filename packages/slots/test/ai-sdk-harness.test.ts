import { createSandboxes, InvalidInput, SandboxNotFound } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { harnessSandbox, harnessSandboxProvider } from "@cordon/slots/ai-sdk-harness"
import { assert, describe, it } from "@effect/vitest"
import { recordingBroker } from "../../../test/support/recordingBroker.ts"
import { rejects } from "./rejects.ts"

describe("a session of the AI SDK's harness", () => {
  it("opens only the ports that it was given", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const session = harnessSandbox(await sandboxes.create(), { ports: [4000, 4000] })
    assert.deepStrictEqual(session.ports, [4000])
    assert.instanceOf(await rejects(session.getPortEndpoint({ port: 22 })), InvalidInput)
    await session.setPorts?.([22])
    assert.deepStrictEqual(session.ports, [22])
    assert.instanceOf(await rejects(session.getPortUrl({ port: 4000 })), InvalidInput)
  })

  it("does not report an open network as closed", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const open = harnessSandbox(await sandboxes.create({ network: "bridge" }))
    const closed = harnessSandbox(await sandboxes.create({ network: "none" }))
    const custom = { mode: "custom", allowedHosts: ["example.com"] } as const
    for (const policy of [custom, { mode: "allow-all" }, { mode: "deny-all" }] as const) {
      const asked = open.setNetworkPolicy?.(policy) ?? Promise.resolve()
      assert.instanceOf(await rejects(asked), InvalidInput)
    }
    await closed.setNetworkPolicy?.({ mode: "deny-all" })
    assert.instanceOf(
      await rejects(closed.setNetworkPolicy?.({ mode: "allow-all" }) ?? Promise.resolve()),
      InvalidInput,
    )
  })

  it("accepts every network policy and request secret for a sandbox with egress rules", async () => {
    await using sandboxes = createSandboxes({ driver: memory(), egressBroker: recordingBroker([]) })
    const sandbox = await sandboxes.create({ egress: { allow: {}, transparent: true } })
    const { setNetworkPolicy, addRequestTransformations, setRequestTransformations } =
      harnessSandbox(sandbox)
    assert.isDefined(setNetworkPolicy)
    assert.isDefined(addRequestTransformations)
    assert.isDefined(setRequestTransformations)
    const allowed = () => sandbox.egress.rules?.allow
    const key = { headers: { authorization: "the-key" } }
    const at = (host: string) => ({ match: { host }, transform: key })

    // What is added opens nothing by itself.
    await addRequestTransformations([at("api.test")])
    assert.deepStrictEqual(allowed(), {})
    await setNetworkPolicy({
      mode: "custom",
      allowedHosts: ["api.test", "*.files.test"],
      deniedCIDRs: ["203.0.113.0/24"],
    })
    const ruleOf = (more: object) => ({ methods: undefined, paths: undefined, ...key, ...more })
    assert.deepStrictEqual(sandbox.egress.rules, {
      allow: { "api.test": [ruleOf({}), {}], "*.files.test": {} },
      denyAddresses: ["203.0.113.0/24"],
      transparent: true,
    })
    const match = { host: "a.files.test", method: ["PUT"], path: { startsWith: "/v1/" } }
    await addRequestTransformations([{ match, transform: key }])
    assert.deepStrictEqual(allowed()?.["a.files.test"], [
      ruleOf({ methods: ["PUT"], paths: ["/v1/**"] }),
      {},
    ])
    await setRequestTransformations([])
    assert.deepStrictEqual(allowed(), { "api.test": {}, "*.files.test": {} })
    await setNetworkPolicy({ mode: "allow-all" })
    assert.deepStrictEqual(allowed(), { "*": {} })
    await setNetworkPolicy({ mode: "deny-all" })
    assert.deepStrictEqual(allowed(), {})
  })

  it("refuses policies that it can't enforce or that widen a rule, and keeps the network unchanged", async () => {
    await using sandboxes = createSandboxes({ driver: memory(), egressBroker: recordingBroker([]) })
    const rules = { allow: { "api.test": { paths: ["/v1/**"] } } }
    const sandbox = await sandboxes.create({ egress: rules })
    const session = harnessSandbox(sandbox)
    const transform = { headers: { authorization: "the-key" } }
    const refused = [
      session.setNetworkPolicy?.({ mode: "custom", allowedCIDRs: ["203.0.113.0/24"] }),
      session.addRequestTransformations?.([{ match: { host: "api.test" }, transform }]),
      session.addRequestTransformations?.([
        { match: { host: "api.test", path: { regex: ".*" } }, transform },
      ]),
    ]
    for (const asked of refused) {
      assert.instanceOf(await rejects(asked ?? Promise.resolve()), InvalidInput)
    }
    assert.deepStrictEqual(sandbox.egress.rules, rules)
  })

  it("gives tools no access to ports, stop or destroy", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const restricted = harnessSandbox(await sandboxes.create()).restricted()
    for (const name of [
      "stop",
      "destroy",
      "setPorts",
      "getPortUrl",
      "setNetworkPolicy",
      "egress",
    ]) {
      assert.notProperty(restricted, name)
    }
  })

  it("can be stopped and destroyed repeatedly", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const session = harnessSandbox(await sandboxes.create())
    await session.stop()
    await session.stop()
    await session.destroy()
    await session.destroy()
    await session.stop()
    assert.isEmpty(await sandboxes.list())
  })
})

describe("a provider for the AI SDK's harness", () => {
  it("finds a session's sandbox again by any session ID, also a stopped one", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const provider = harnessSandboxProvider({ sandboxes })
    const ids = ["a", "A", "../a", "x".repeat(500), "é 1"]
    for (const sessionId of ids) {
      const session = await provider.createSession({ sessionId })
      await session.writeTextFile({ path: "id", content: sessionId })
      await session.stop()
    }
    for (const sessionId of ids) {
      const found = await provider.resumeSession?.({ sessionId })
      assert.strictEqual(await found?.readTextFile({ path: "id" }), sessionId)
    }
    const unknown = provider.resumeSession?.({ sessionId: "b" }) ?? Promise.resolve()
    assert.instanceOf(await rejects(unknown), SandboxNotFound)
  })

  it("leaves no sandbox when its setup failed", async () => {
    await using sandboxes = createSandboxes({ driver: memory() })
    const provider = harnessSandboxProvider({ sandboxes })
    const reason = new Error("no such package")
    const onFirstCreate = () => Promise.reject(reason)
    assert.strictEqual(
      await rejects(provider.createSession({ sessionId: "a", identity: "i", onFirstCreate })),
      reason,
    )
    assert.isEmpty(await sandboxes.list())
  })
})
