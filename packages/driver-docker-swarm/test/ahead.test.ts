import { assert, describe, it } from "@effect/vitest"
import { Duration } from "effect"
import type { Service } from "../src/manager/schemas.ts"
import { aheadLeft } from "../src/sandbox/ahead.ts"

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

describe("services that were made ahead", () => {
  it("are left to nobody once they were not renewed for long", () => {
    assert.deepStrictEqual(
      left([service("held", 300, ahead), service("dead", 1000, ahead), service("box", 9999, {})]),
      ["dead"],
    )
  })

  it("are left by a sandbox that never came to be, and not while one is just being given away", () => {
    assert.deepStrictEqual(left([service("now", 5, owned), service("broken", 61, owned)]), [
      "broken",
    ])
  })

  it("are held by the sandbox that they became, however old it is", () => {
    const name = service("name", 9999, { "dev.cordon.service": "running" })
    assert.deepStrictEqual(left([service("running", 9999, owned), name]), [])
  })
})
