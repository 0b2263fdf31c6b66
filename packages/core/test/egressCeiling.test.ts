import { Effect, Exit } from "effect"
import { assert, describe, it } from "vitest"
import { type EgressPolicy, type EgressRules, Settings, type SettingsInput } from "../src/index.ts"
import { decideEgress } from "../src/Policy.ts"

/** What a way out that is asked for comes to under some settings; the words of the refusal where it is refused. */
const decided = (
  settings: SettingsInput,
  asked: EgressPolicy | EgressRules | undefined,
  network: "bridge" | "none" = "bridge",
) => {
  const policy = Effect.map(Settings, ({ policy }) => policy)
  const exit = Effect.runSyncExit(
    policy.pipe(
      Effect.provide(Settings.layer(settings)),
      Effect.flatMap((policy) => decideEgress(policy, asked, network)),
      Effect.catchTag("NotAllowed", ({ message }) => Effect.succeed(message)),
    ),
  )
  assert.isTrue(Exit.isSuccess(exit), String(exit))
  return Exit.isSuccess(exit) ? exit.value : undefined
}

const key = { headers: { authorization: "the-key" } }
const rules: EgressRules = {
  allow: { "api.test": key, "*.files.test": { methods: ["GET"] } },
  denyAddresses: ["203.0.113.0/24"],
  transparent: true,
}

describe("the egress rules that a sandbox gets from the settings", () => {
  it("are all of them when a creation gives none", () => {
    assert.strictEqual(decided({ egress: rules }, undefined), rules)
  })
  it("are none for a sandbox without a network", () => {
    assert.isUndefined(decided({ egress: rules }, undefined, "none"))
  })
  it("are kept for the destinations that an allow-list chooses", () => {
    assert.deepStrictEqual(decided({ egress: rules }, { allow: ["a.files.test"] }), {
      allow: rules.allow,
      only: ["a.files.test"],
      allowAddresses: undefined,
      denyAddresses: rules.denyAddresses,
      transparent: true,
    })
  })
  it("include none for a destination that only `allow.egress` adds", () => {
    const settings = { egress: rules, allow: { egress: { allow: ["more.test"] } } }
    assert.deepInclude(decided(settings, { allow: ["more.test"] }), {
      allow: { "more.test": {}, ...rules.allow },
      only: ["more.test"],
    })
  })
  it("are replaced by a creation's rules for the same destinations, except denied addresses", () => {
    const own = { allow: { "api.test": { paths: ["/v1"] } }, denyAddresses: ["198.51.100.0/24"] }
    assert.deepStrictEqual(decided({ egress: rules }, own), {
      ...own,
      denyAddresses: ["203.0.113.0/24", "198.51.100.0/24"],
    })
  })
})

describe("egress rules that a creation gives", () => {
  it.each([
    ["a list beyond rules", { egress: rules }, { allow: ["other.test"] }, /other\.test/],
    ["rules beyond rules", { egress: rules }, { allow: { "other.test": {} } }, /other\.test/],
    [
      "rules beyond a list",
      { egress: { allow: ["a.test"] } },
      { allow: { "*.test": {} } },
      /\*\.test/,
    ],
    ["every name", { egress: rules }, { allow: { "*": {} } }, /\*/],
    [
      "addresses beyond a list",
      { egress: { allow: ["a.test"], allowAddresses: ["10.1.0.0/16"] } },
      { allow: { "a.test": {} }, allowAddresses: ["10.0.0.0/8"] },
      /10\.0\.0\.0\/8/,
    ],
  ])("are refused with the name of the field: %s", (_, settings, asked, words) => {
    const answer = decided(settings, asked)
    assert.isString(answer)
    assert.match(String(answer), words)
    assert.notMatch(String(answer), /the-key/)
  })
  it("may be anything when the settings have none", () => {
    assert.deepStrictEqual(decided({}, { allow: { "*": key } }), { allow: { "*": key } })
  })
})
