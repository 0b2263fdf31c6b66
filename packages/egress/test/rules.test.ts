import type { EgressRules } from "@cordon/core"
import { Effect, Exit } from "effect"
import { assert, describe, it } from "vitest"
import { isOpen, parseRange } from "../src/destinations.ts"
import { Placeholders } from "../src/placeholders.ts"
import { decide, isInspected, parsePolicy, rulesFor } from "../src/policy.ts"
import { makeScrubber, needlesOf, scrubText } from "../src/scrub.ts"

const parse = (rules: EgressRules) => Effect.runSync(parsePolicy(rules))
/** What is said of rules that can't be. */
const refusal = (allow: EgressRules["allow"]) =>
  Effect.runSync(Effect.flip(parsePolicy({ allow }))).message

const verdict = (rules: EgressRules, host: string, port: number, method = "GET", path = "/") =>
  decide(rulesFor(parse(rules), host, port), { method, path })?.id

describe("egress rules", () => {
  const rules: EgressRules = {
    allow: {
      "example.com": {},
      "*.example.com": { methods: ["get"] },
      "api.example.com": [{ paths: ["/v1/*"] }, { paths: ["/files/**"], action: "deny" }],
      "registry.example.com:5000": {},
    },
  }
  it.each([
    ["example.com", 443, "example.com * **"],
    ["example.com", 80, "example.com * **"],
    ["example.com", 22, undefined],
    ["www.example.com", 443, "*.example.com get **"],
    ["a.b.example.com", 443, "*.example.com get **"],
    ["badexample.com", 443, undefined],
    ["registry.example.com", 5000, "registry.example.com:5000 * **"],
    ["registry.example.com", 443, "*.example.com get **"],
    ["com", 443, undefined],
  ])("for %s on port %i are %s", (host, port, id) =>
    assert.strictEqual(verdict(rules, host, port), id),
  )

  it("match by method and path, and the first match wins", () => {
    assert.isUndefined(verdict(rules, "www.example.com", 443, "POST"))
    assert.strictEqual(
      verdict(rules, "api.example.com", 443, "GET", "/v1/models"),
      "api.example.com * /v1/*",
    )
    assert.isUndefined(verdict(rules, "api.example.com", 443, "GET", "/v1/models/one"))
    assert.strictEqual(
      verdict(rules, "api.example.com", 443, "GET", "/files/a/b"),
      "api.example.com * /files/**",
    )
    assert.isUndefined(verdict(rules, "api.example.com", 443, "GET", "/v1xmodels"))
  })

  it("of `*` apply to every name without a more specific entry", () => {
    const open: EgressRules = { allow: { "*": {}, "admin.example.com": { action: "deny" } } }
    assert.strictEqual(verdict(open, "example.com", 443), "* * **")
    assert.strictEqual(verdict(open, "admin.example.com", 443), "admin.example.com * **")
    assert.isUndefined(verdict(open, "example.com", 22))
  })

  it("make the proxy inspect a connection only when one of them needs it", () => {
    const needs = (rule: EgressRules["allow"][string]) =>
      isInspected(rulesFor(parse({ allow: { "a.test": rule } }), "a.test", 443))
    assert.isFalse(needs({}))
    assert.isFalse(needs({ maxBytes: 10 }))
    for (const rule of [
      { methods: ["GET"] },
      { paths: ["/"] },
      { headers: { a: "b" } },
      { secrets: { A: "b" } },
      { maxRequests: 1 },
      { action: "ask" as const },
      [{}, {}],
    ]) {
      assert.isTrue(needs(rule), JSON.stringify(rule))
    }
  })

  it.each([
    [{ "10.0.0.1": {} }, /domain name/],
    [{ "Example.com": {} }, /domain name/],
    [{ "a.test": [] }, /must have at least one rule/],
    [{ "a.test": { paths: ["v1"] } }, /begins with \//],
    [{ "a.test": 5 }, /must be an object/],
    [{ "a.test": { headers: { "content-length": "1" } } }, /can't be set/],
    [{ "a.test": { headers: { "a\r\nb": "1" } } }, /can't be set/],
    [{ "a.test": { headers: { a: "b\r\nc: d" } } }, /characters/],
    [{ "a.test": { secrets: { "A B": "c" } } }, /can't be set/],
    [{ "a.test": { maxBytes: -1 } }, /maxBytes/],
    [{ "a.test": { method: ["GET"] } }, /unknown field method; a rule can have methods/],
  ])("that are invalid are refused: %j", (allow, words) => {
    assert.match(refusal(allow as EgressRules["allow"]), words)
  })

  it.each(["allowAddresses", "denyAddresses"])(
    "refuse a range in %s that is written so that it can mean several",
    (field) => {
      const parsed = (range: string) =>
        Effect.runSync(Effect.exit(parsePolicy({ allow: {}, [field]: [range] })))
      for (const range of [
        "192.168.010.0/24",
        "192.168.10.0/024",
        "10.0/16",
        "0x0a.0.0.0/8",
        "167772160/8",
      ]) {
        assert.match(String(parsed(range)), /must be a range of addresses/, range)
      }
      for (const range of ["192.168.10.0/24", "10.20.3.4/16", "fd00:0:0::/8", "FD00::/8"]) {
        assert.isTrue(Exit.isSuccess(parsed(range)), range)
      }
    },
  )

  it("show no secret in an error", () => {
    const rule = { headers: { a: "secret-value\n" } }
    assert.notMatch(refusal({ "a.test": rule }), /secret-value/)
    // Written as one writes a list, with rules in it.
    const listed = [{ "a.test": rule }] as unknown as EgressRules["allow"]
    assert.notMatch(refusal(listed), /secret-value/)
    const misplaced = { methods: { authorization: "secret-value" } }
    assert.notMatch(
      refusal({ "a.test": misplaced } as unknown as EgressRules["allow"]),
      /secret-value/,
    )
  })

  it("apply only to the destinations in `only`, if given", () => {
    const only = { ...rules, only: ["*.example.com"] }
    assert.isUndefined(verdict(only, "example.com", 443))
    assert.strictEqual(verdict(only, "www.example.com", 443), "*.example.com get **")
    assert.isUndefined(verdict({ ...only, only: [] }, "www.example.com", 443))
    const onePort = { ...rules, only: ["*.example.com:443"] }
    assert.isUndefined(verdict(onePort, "api.example.com", 80, "GET", "/v1/models"))
    assert.strictEqual(
      verdict(onePort, "api.example.com", 443, "GET", "/files/a"),
      "api.example.com * /files/**",
    )
  })
})

describe("addresses that rules may open", () => {
  const ten = [
    parseRange("10.20.0.0/16"),
    parseRange("fd00::/8"),
    parseRange("169.254.0.0/16"),
    parseRange("100.64.0.0/10"),
  ].filter((range) => range !== undefined)
  it.each([
    ["93.184.215.14", true],
    ["2606:2800:21f:cb07:6820:80da:af6b:8b2c", true],
    ["10.20.3.4", true],
    ["fd00::1", true],
    ["::ffff:10.20.3.4", true],
    ["10.21.3.4", false],
    ["127.0.0.1", false],
    ["0.0.0.0", false],
    ["100.64.0.1", true],
    ["100.100.100.200", false],
    ["168.63.129.16", false],
    ["::ffff:168.63.129.16", false],
    ["192.0.0.192", false],
    ["fd00:ec2::254", false],
    ["fd20:ce::254", false],
    ["fd00:ec2::253", true],
    ["172.16.0.1", false],
    ["192.168.1.1", false],
    ["198.18.0.1", false],
    ["224.0.0.1", false],
    ["255.255.255.255", false],
    ["169.254.169.254", false],
    ["::1", false],
    ["::", false],
    ["fe80::1", false],
    ["fc00::1", false],
    ["::ffff:127.0.0.1", false],
    ["::ffff:169.254.169.254", false],
    ["64:ff9b::7f00:1", false],
    ["64:ff9b::a9fe:a9fe", false],
    ["2002:7f00:1::", false],
    ["64:ff9b::808:808", true],
    ["64:ff9b:1:a00:0:100:808:808", false],
    ["::7f00:1", false],
    ["::808:808", false],
    ["fec0::1", false],
    ["not an address", false],
  ])("%s: %s", (address, open) => assert.strictEqual(isOpen(address, ten), open))

  it("in a denied range stay closed whatever opens them, also in IPv6 form", () => {
    const denied = [parseRange("93.184.0.0/16"), parseRange("10.20.9.0/24")].filter(
      (range) => range !== undefined,
    )
    for (const [address, open] of [
      ["93.184.216.34", false],
      ["::ffff:93.184.216.34", false],
      ["93.185.0.1", true],
      ["10.20.9.1", false],
      ["10.20.8.1", true],
    ] as const) {
      assert.strictEqual(isOpen(address, ten, denied), open, address)
    }
  })
})

describe("placeholders", () => {
  it("are replaced by the secrets of their own rule only, also in Basic credentials", () => {
    const placeholders = new Placeholders()
    const policy = parse({
      allow: {
        "a.test": { secrets: { TOKEN: "the-secret" } },
        "b.test": { secrets: { OTHER: "another" } },
      },
    })
    const { TOKEN = "", OTHER = "" } = placeholders.env(policy)
    assert.match(TOKEN, /^cordon_[0-9a-f]{48}$/)
    assert.notStrictEqual(TOKEN, OTHER)
    const [rule] = rulesFor(policy, "a.test", 443)
    assert.isDefined(rule)
    assert.strictEqual(placeholders.fill(`Bearer ${TOKEN}`, rule), "Bearer the-secret")
    assert.strictEqual(placeholders.fill(`Bearer ${OTHER}`, rule), `Bearer ${OTHER}`)
    const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`
    const filled = (text: string) => placeholders.fillCredentials(text, rule)
    assert.strictEqual(filled(`Bearer ${TOKEN}`), "Bearer the-secret")
    assert.strictEqual(filled(basic(`git:${TOKEN}`)), basic("git:the-secret"))
    assert.strictEqual(filled(basic("git:own")), basic("git:own"))
  })
})

describe("responses through the egress proxy", () => {
  const scrubbed = async (
    pieces: ReadonlyArray<string>,
    secrets: ReadonlyArray<string> = ["Bearer secret-value"],
  ) => {
    const scrubber = makeScrubber(needlesOf(secrets))
    const out: Array<string> = []
    scrubber.on("data", (bytes: Buffer) => out.push(bytes.toString()))
    for (const piece of pieces) scrubber.write(piece)
    scrubber.end()
    await new Promise((resolve) => scrubber.on("end", resolve))
    return out
  }

  it("repeat no secret, however it is split", async () => {
    const text = "before secret-value, secret-valuesecret-value secret-valu"
    const clean = text.replaceAll("secret-value", "************")
    for (let size = 1; size <= text.length; size++) {
      const pieces = text.match(new RegExp(`.{1,${size}}`, "g")) ?? []
      assert.strictEqual((await scrubbed(pieces)).join(""), clean)
    }
  })

  it("repeat no secret of short words, and none that begins with another one", async () => {
    for (const [secret, ...others] of [
      ["correct horse battery staple"],
      ["AKIA12345678:the-secret-part", "AKIA12345678"],
    ]) {
      assert.isDefined(secret)
      const text = `it is ${secret}, or ${secret}`
      const hidden = [...others, secret]
      const clean = text.replaceAll(secret, "*".repeat(secret.length))
      assert.strictEqual(scrubText(text, needlesOf(hidden)), clean)
      for (let size = 1; size <= text.length; size++) {
        const pieces = text.match(new RegExp(`.{1,${size}}`, "g")) ?? []
        const got = (await scrubbed(pieces, hidden)).join("")
        assert.notInclude(got, secret.slice(0, 3))
        assert.notInclude(got, secret.slice(-3))
        assert.strictEqual(got.length, text.length)
      }
    }
  })

  it("tell nothing of a secret by what is held back", async () => {
    const piecesOf = (said: string) => scrubbed([`data: ${said}`, "more that follows it"])
    const lengths = async (said: string) => (await piecesOf(said)).map(({ length }) => length)
    assert.deepStrictEqual(await lengths("secret-valu"), await lengths("another-one"))
  })

  it("arrive whole after a moment, also when nothing follows", async () => {
    const scrubber = makeScrubber(needlesOf(["Bearer secret-value"]))
    let got = ""
    scrubber.on("data", (bytes: Buffer) => {
      got += bytes.toString()
    })
    const until = async (text: string) => {
      while (got !== text) await new Promise((resolve) => setImmediate(resolve))
    }
    scrubber.write("a message")
    await until("a message")
    // What was passed on still counts as the beginning of a secret.
    scrubber.write(" secret-va")
    await until("a message secret-va")
    scrubber.write("lue and more")
    await until("a message secret-va*** and more")
    scrubber.destroy()
  })

  it("keep masked what is masked, whatever follows", async () => {
    for (const [secrets, pieces, clean] of [
      [["abcdefXYZabcdef"], ["key abcdefXYZabcdef", " more"], "key *************** more"],
      [["secretABCDEFGH", "ABCDEFGHother"], ["k secretABCDEFGH", "zz"], "k **************zz"],
    ] as const) {
      assert.strictEqual((await scrubbed(pieces, secrets)).join(""), clean)
    }
  })

  it("are scrubbed in a time that grows with their length only", async () => {
    const scrubber = makeScrubber(needlesOf([`${"a".repeat(20_000)}b`]))
    let length = 0
    scrubber.on("data", (bytes: Buffer) => {
      length += bytes.length
    })
    for (let count = 0; count < 300; count++) scrubber.write(Buffer.alloc(16_384, "a"))
    scrubber.end()
    await new Promise((resolve) => scrubber.on("end", resolve))
    assert.strictEqual(length, 300 * 16_384)
  })
})
