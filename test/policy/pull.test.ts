import { docker } from "@cordon/driver-docker"
import { assert, describe, it } from "@effect/vitest"
import { noEngine } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"
import { secretService } from "./secretService.ts"
import { ways } from "./ways.ts"

describe("the engine's and registry's messages about a failed pull", () => {
  const title = "are not shown to a program or model that asks for a sandbox"
  if (noEngine !== undefined) return skipped(title, noEngine)
  for (const [way, through] of Object.entries(ways)) {
    it(`${title} through ${way}`, async () => {
      using service = await secretService()
      const registry = `127.0.0.1:${service.port}`
      const allow = { registries: [registry] }
      await through({ driver: docker(), sessionId: freshSessionId(), allow }, async (ask) => {
        const { ok, text } = await ask({ image: `${registry}/team/app:1` })
        assert.isFalse(ok)
        assert.match(text, /could not be pulled: /)
        assert.notMatch(text, /s3cret|\b500\b|Internal/i)
        // It was really asked: the text could have come through.
        assert.isNotEmpty(service.asked)
      })
    })
  }
})
