import { Effect, Exit } from "effect"
import { assert, describe, it } from "vitest"
import { destinationsOf } from "../src/egress/ceiling.ts"
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
  it("are kept where one covers a port of a destination that also `allow.egress` adds", () => {
    const get = { methods: ["GET"] }
    const settings = {
      egress: { allow: { "*.example.test:443": get, "*.other.test:8443": get } },
      allow: { egress: { allow: ["*.example.test", "*.other.test:8443"] } },
    }
    const allowFor = (allow: ReadonlyArray<string>) => {
      const egress = decided(settings, { allow })
      assert.isObject(egress)
      return typeof egress === "object" ? egress.allow : undefined
    }
    assert.deepStrictEqual(allowFor(["api.example.test"]), {
      ...settings.egress.allow,
      "api.example.test:80": {},
    })
    assert.deepStrictEqual(allowFor(["*.example.test"]), {
      ...settings.egress.allow,
      "*.example.test:80": {},
    })
    for (const covered of ["api.example.test:443", "api.other.test:8443"]) {
      assert.deepStrictEqual(allowFor([covered]), settings.egress.allow, covered)
    }
  })
  it("keep what `only` excludes out of reach of an allow-list, except what `allow.egress` adds", () => {
    const egress = { allow: { "*": {} }, only: ["pypi.test"] }
    assert.match(String(decided({ egress }, { allow: ["evil.test"] })), /evil\.test.*pypi\.test/)
    assert.deepInclude(decided({ egress }, { allow: ["pypi.test:443"] }), {
      allow: egress.allow,
      only: ["pypi.test:443"],
    })
    const more = { egress: { allow: ["more.test"] } }
    assert.deepInclude(decided({ egress, allow: more }, { allow: ["more.test"] }), {
      only: ["more.test"],
    })
    assert.isString(decided({ egress, allow: more }, { allow: ["evil.test"] }))
  })
  it("allow nothing to be chosen when `only` is no list", () => {
    for (const only of ["pypi.test", [5]]) {
      const egress = JSON.parse(JSON.stringify({ allow: { "*": {} }, only }))
      assert.isString(decided({ egress }, { allow: ["pypi.test"] }), String(only))
    }
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
    [
      "rules beyond `only`",
      { egress: { allow: { "*": {} }, only: ["a.test"] } },
      { allow: { "b.test": {} } },
      /b\.test/,
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
  it("are accepted when their own `only` keeps them within the settings", () => {
    const own = { allow: { "*": key }, only: ["a.test"] }
    assert.deepInclude(decided({ egress: { allow: ["a.test"] } }, own), own)
  })
  it("may be anything when the settings have none", () => {
    assert.deepStrictEqual(decided({}, { allow: { "*": key } }), { allow: { "*": key } })
  })
})

describe("the destinations of egress rules with `only`", () => {
  const destinations = (allow: ReadonlyArray<string>, only: ReadonlyArray<string>) =>
    destinationsOf({ allow: Object.fromEntries(allow.map((to) => [to, {}])), only }).allow
  it.each([
    [["*"], ["a.test"], ["a.test"]],
    [["*"], ["*.a.test:8443"], []],
    [["*.a.test:443"], ["api.a.test"], ["api.a.test:443"]],
    [["api.a.test"], ["*.a.test:443"], ["api.a.test:443"]],
    [["*.a.test"], ["*.b.a.test:80"], ["*.b.a.test:80"]],
    [["*.a.test:443"], ["*.a.test:80"], []],
    [["*.a.test"], ["a.test", "ba.test"], []],
    [["a.test:8443"], ["a.test"], []],
    [["a.test:8443"], ["*.test:8443"], ["a.test:8443"]],
    [["*", "*.test"], ["a.test"], ["a.test"]],
    [["*"], ["*"], ["*"]],
    [["a.test"], [], []],
  ])("for %j and %j are %j", (allow, only, both) =>
    assert.deepStrictEqual(destinations(allow, only), both),
  )
})
