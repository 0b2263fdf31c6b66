import { defaultLimits, SandboxName, SessionId, sandboxId, sessionKey } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Option } from "effect"
import * as fc from "fast-check"
import { infoOf, label, labelsAhead, labelsOf, sandboxOf, tagFilter } from "../src/Labels.ts"
import { containerName } from "../src/names.ts"
import { defaultRuntimeNames, offeredRuntimes } from "../src/Runtimes.ts"

describe("labels", () => {
  const session = sessionKey(SessionId.make("s"))
  const name = SandboxName.make("box")
  const id = sandboxId(session, name)
  const spec = {
    name,
    image: "ubuntu:24.04",
    runtime: "gvisor" as const,
    limits: defaultLimits,
    network: "internal" as const,
    lease: { idleTimeout: 1000, removeTimeout: 2000 },
    env: { TOKEN: "s3cret" },
  }
  const container = (labels: Record<string, string>) => ({
    instanceId: "abc",
    status: "exited",
    image: spec.image,
    createdAt: new Date(0),
    labels,
  })
  const labels = { ...labelsOf(id, session, spec, { workdir: "/work", user: "" }) }

  it("restore the sandbox they were made from, without its environment", () => {
    assert.deepStrictEqual(Option.getOrThrow(infoOf(container(labels))), {
      id,
      name,
      session,
      instanceId: "abc",
      status: "stopped",
      image: spec.image,
      runtime: "gvisor",
      limits: defaultLimits,
      network: "internal",
      lease: spec.lease,
      workdir: "/work",
      createdAt: new Date(0),
    })
    assert.notInclude(JSON.stringify(labels), "s3cret")
  })

  it("that are missing or invalid give no sandbox", () =>
    fc.assert(
      fc.property(
        // Not all sandboxes have these two.
        fc.constantFrom(
          ...Object.values(label).filter(
            (key) => ![label.ahead, label.egress, label.tags].some((other) => other === key),
          ),
        ),
        fc.option(fc.string()),
        (key, value) => {
          // Any text is one of these.
          fc.pre(key !== label.version && key !== label.workdir && key !== label.user)
          const { [key]: original, ...rest } = labels
          fc.pre(value !== original)
          const changed = value === null ? rest : { ...rest, [key]: value }
          assert.isTrue(Option.isNone(infoOf(container(changed))))
        },
      ),
    ))

  it("read tags from one label only, since an image may have others", () => {
    const tags = { user: "ada", "a.b/c": "x=y" }
    const identity = { workdir: "/work", user: "" }
    const own = labelsOf(id, session, { ...spec, tags }, identity)
    const tagsOf = (labels: Record<string, string>) =>
      Option.getOrThrow(infoOf(container(labels))).tags
    assert.deepStrictEqual(tagsOf({ ...own }), tags)
    assert.strictEqual(own[tagFilter({ user: "ada" })?.replace("=ada", "") ?? ""], "ada")
    // As the engine gives a sandbox that is made from the snapshot of another one.
    assert.isUndefined(tagsOf({ ...own, ...labels }))
    assert.isUndefined(tagsOf({ ...labels, [label.tags]: "no JSON" }))
  })

  it("of a warm container name no owner, and its name gives the owner after it was handed out", () => {
    const ahead = container(labelsAhead(spec, { workdir: "/work", user: "" }))
    const owner = (name: string, of = ahead) =>
      Option.map(sandboxOf({ ...of, name }), ({ id, session }) => ({ id, session }))
    assert.isTrue(Option.isNone(infoOf(ahead)))
    assert.isTrue(Option.isNone(owner("/cordon-ahead-mb1x2y3z-0123456789abcdef")))
    const given = containerName(id, session)
    assert.deepStrictEqual(owner(given), Option.some({ id, session }))
    assert.deepStrictEqual(owner(`/${given}`, container(labels)), Option.some({ id, session }))
    return fc.assert(
      fc.property(fc.string(), fc.string(), (a, b) => {
        const [one, two] = [a, b].map((text) => sessionKey(SessionId.make(`x${text}`)))
        fc.pre(one !== undefined && two !== undefined && one !== two)
        const id = sandboxId(one, name)
        assert.deepStrictEqual(owner(containerName(id, one)), Option.some({ id, session: one }))
        // The rest of another key makes another session of it.
        const other = Option.getOrThrow(owner(containerName(id, two)))
        assert.notStrictEqual(other.session, one)
        // Of what was made for somebody, labels and name must say the same.
        assert.isTrue(Option.isNone(owner(containerName(id, one), container(labels))))
      }),
    )
  })
})

describe("runtimes", () => {
  it("are found under the names that daemons give them", () => {
    const registered = { "io.containerd.runc.v2": {}, runc: {}, runsc: {}, "kata-runtime": {} }
    assert.deepStrictEqual(
      [...offeredRuntimes(registered, defaultRuntimeNames)].map(([ours, { name }]) => [ours, name]),
      [
        ["runc", "runc"],
        ["kata", "kata-runtime"],
        ["gvisor", "runsc"],
      ],
    )
    const renamed = { ...defaultRuntimeNames, gvisor: ["sandboxed"] }
    assert.isFalse(offeredRuntimes(registered, renamed).has("gvisor"))
    const found = offeredRuntimes({ sandboxed: {} }, renamed).get("gvisor")
    assert.strictEqual(found?.name, "sandboxed")
  })

  it("keep files over a stop, gVisor only if configured so", () => {
    const keeps = (runsc: { runtimeArgs?: ReadonlyArray<string> | null }) =>
      offeredRuntimes({ runc: {}, runsc }, defaultRuntimeNames).get("gvisor")?.keepsFiles
    assert.isTrue(keeps({ runtimeArgs: ["--platform=systrap", "--overlay2=none"] }))
    assert.isTrue(keeps({ runtimeArgs: ["-overlay2", "none"] }))
    for (const args of [
      [],
      ["--overlay2=root:self"],
      ["--x-overlay2=none"],
      ["--overlay2=nonesuch"],
    ]) {
      assert.isFalse(keeps({ runtimeArgs: args }))
    }
    assert.isFalse(keeps({ runtimeArgs: null }))
    assert.isFalse(keeps({}))
  })
})
