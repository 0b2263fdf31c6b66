import { assert, describe, it } from "@effect/vitest"
import { parseAttempts, proxyEnvironment, squidConfig } from "../src/network/squid.ts"

describe("the proxy of an allow-list", () => {
  it("gets a rule for each destination, and refuses the rest", () => {
    const config = squidConfig({ allow: ["pypi.org", "*.example.com:8443"] }, "10.213.0.6").split(
      "\n",
    )
    assert.includeMembers(config, [
      "http_port 10.213.0.6:3128",
      "acl name0 dstdom_regex -n -i ^pypi\\.org$",
      "acl port0 port 80 443",
      "acl name1 dstdom_regex -n -i ^.+\\.example\\.com$",
      "acl port1 port 8443",
      "http_access deny !listed",
      "http_access deny never",
      "http_access deny private",
      "http_access allow name0 port0",
      "http_access allow name1 port1",
    ])
    // No name is looked up before it is known to be on the list; nothing is allowed after the end.
    assert.isBelow(
      config.indexOf("http_access deny !listed"),
      config.indexOf("http_access deny never"),
    )
    assert.isBelow(
      config.indexOf("http_access deny private"),
      config.indexOf("http_access allow name0 port0"),
    )
    assert.strictEqual(config.at(-1), "http_access deny all")
  })

  it("allows nothing with an empty list", () => {
    const config = squidConfig({ allow: [] }, "10.213.0.6")
    assert.notMatch(config, /http_access allow/)
    assert.match(config, /http_access deny all$/)
  })

  it("allows private addresses only when the policy does, and link-local ones never", () => {
    const policy = { allow: ["a.example"], allowAddresses: ["10.1.0.0/16"] }
    const config = squidConfig(policy, "10.213.0.6").split("\n")
    assert.include(config, "acl exempt dst 10.1.0.0/16")
    assert.include(config, "http_access deny private !exempt")
    assert.include(config, "http_access deny never")
    const never = config.find((line) => line.startsWith("acl never"))?.split(" ")
    assert.includeMembers(never ?? [], ["169.254.0.0/16", "168.63.129.16", "fd00:ec2::254"])
  })

  it("is given to programs in upper- and lower-case variables", () => {
    const env = proxyEnvironment("10.213.0.6")
    assert.strictEqual(env["HTTPS_PROXY"], "http://10.213.0.6:3128")
    assert.strictEqual(env["https_proxy"], env["HTTPS_PROXY"])
  })

  it("reports the attempts in its log, and skips other lines", () => {
    const log = [
      "2026/11/24 08:50:02| WARNING: something of Squid's own",
      "1795510205.115 TCP_MISS good.test 80",
      "1795510205.802 TCP_DENIED 169.254.169.254 443",
      "cut of",
    ].join("\n")
    assert.deepStrictEqual(parseAttempts(log), [
      { at: new Date(1795510205115), host: "good.test", port: 80, allowed: true, outcome: "done" },
      {
        at: new Date(1795510205802),
        host: "169.254.169.254",
        port: 443,
        allowed: false,
        outcome: "refused",
      },
    ])
  })
})
