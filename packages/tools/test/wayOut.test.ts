import type { CreateSandboxesOptions } from "@cordon/core"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "vitest"
import { recordingBroker } from "../../../test/support/recordingBroker.ts"
import { createTools } from "../src/index.ts"

const egress = {
  allow: {
    "pypi.org": {},
    "api.test": { methods: ["GET"], paths: ["/v1/**"], headers: { authorization: "the-key" } },
    "admin.test": { action: "deny" },
    "pay.test": { action: "ask" },
  },
} as const

const toolsWith = (options: Partial<CreateSandboxesOptions>) =>
  createTools({ driver: memory(), egressBroker: recordingBroker([]), ...options })

describe("a model whose sandboxes have egress rules", () => {
  it("reads what its sandbox can reach, and no secret", async () => {
    await using toolset = toolsWith({ egress })
    const result = await toolset.byName.sandbox_create.execute({ name: "box" })
    assert.include(
      result.text,
      "with a way out to pypi.org, api.test (GET /v1/**), pay.test (each request is asked about) only",
    )
    assert.notInclude(JSON.stringify(result), "the-key")
  })

  it("reads that its sandbox can reach nothing when no destination is allowed", async () => {
    await using toolset = toolsWith({ egress: { allow: {} } })
    const result = await toolset.byName.sandbox_create.execute({ name: "box" })
    assert.include(result.text, "with a way out that is closed for now")
  })

  it("reads in the tool's description what the network bridge reaches", async () => {
    await using toolset = toolsWith({ egress })
    const { description } = toolset.byName.sandbox_create
    assert.include(
      description,
      "The network bridge reaches only pypi.org, api.test (GET /v1/**), pay.test",
    )
    assert.notInclude(description, "the-key")
  })

  it("reads a shortened list when there are many destinations", async () => {
    const names = Array.from({ length: 60 }, (_, index) => [`a${index}.test`, {}] as const)
    await using toolset = toolsWith({ egress: { allow: Object.fromEntries(names) } })
    const { text } = await toolset.byName.sandbox_create.execute({ name: "box" })
    assert.include(text, "a49.test, and 10 more only")
    assert.notInclude(text, "a50.test")
  })
})
