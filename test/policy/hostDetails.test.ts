/** Where engines and databases are, and what they say, is for the program and not for a model. */
import type { LogEntry } from "@cordon/core"
import { createTools } from "@cordon/tools"
import { assert, describe, it } from "vitest"
import { brokenHosts, secret, unreadyHosts } from "../support/brokenHosts.ts"
import { ways } from "./ways.ts"

const { tools, "an adapter": adapter, MCP: mcp } = ways

describe("a model reads no detail of the host in an error", () => {
  for (const [name, way] of Object.entries({ tools, adapter, mcp })) {
    it(`from ${name}`, async () => {
      for (const { driver, leaseStore, reads } of brokenHosts) {
        await way?.({ driver, ...(leaseStore && { leaseStore }) }, async (ask) => {
          const { ok, text } = await ask({})
          assert.isFalse(ok)
          assert.match(text, reads)
        })
      }
    })
  }

  it("when the host can't be set up, and the program's log has the details", async () => {
    for (const { reads, ...options } of unreadyHosts) {
      const logged: Array<LogEntry> = []
      const logger = (entry: LogEntry) => void logged.push(entry)
      await using toolset = createTools({ ...options, logger })
      const result = await toolset.byName.sandbox_list.execute({})
      assert.match(result.text, reads)
      assert.notInclude(JSON.stringify(result), secret)
      assert.deepStrictEqual(
        logged.map(({ level }) => level),
        ["warn"],
      )
      assert.include(JSON.stringify(logged), secret)
    }
  })
})
