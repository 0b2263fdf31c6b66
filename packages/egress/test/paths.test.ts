import type { EgressRules } from "@cordon/core"
import { assert, describe, it } from "vitest"
import { ask, askHttp2, key, startForFile, startProxy } from "./support.ts"

const { destination, at } = await startForFile()
const rulesOf = (rule: EgressRules["allow"][string]): EgressRules => ({
  allow: { [at("api.test")]: rule },
})

/** The paths that arrive at the destination, of requests for the given ones. */
const arriving = async (rule: EgressRules["allow"][string], paths: ReadonlyArray<string>) => {
  await using proxy = await startProxy(destination, rulesOf(rule))
  const before = destination.received.length
  for (const path of paths) {
    const { status } = await ask(proxy, destination, { path })
    assert.include([200, 400, 403], status, path)
  }
  return destination.received.slice(before).map(({ url }) => url)
}

describe("a path that no rule looks at", () => {
  it("is sent as it is, also with encoded slashes", async () => {
    const paths = [
      "/@acme%2fapp",
      "/api/v4/projects/acme%2Fapp",
      "/a//b/../c",
      "/100%25",
      "/%c3%bc?q=%2f#".slice(0, -1),
      "/latin-%fc",
    ]
    assert.deepStrictEqual(await arriving({ headers: { "x-key": key } }, paths), paths)
  })

  it("is refused by HTTP/2 when HTTP/1.1 could not carry it", async () => {
    await using proxy = await startProxy(destination, rulesOf({ headers: { "x-key": key } }))
    for (const path of ["/a b", "/a#b", "/a\tb", "a", "*"]) {
      const headers = { ":authority": at("api.test"), ":path": path }
      assert.strictEqual((await askHttp2(proxy, destination, headers)).status, 400, path)
    }
  })
})

describe("a path that a rule looks at", () => {
  it("matches decoded, and is sent as it was encoded", async () => {
    const rule = { paths: ["/@acme%2f*", "/@acme/**", "/projects/acme%2Fapp/*", "/a%20b/%c3%bc"] }
    assert.deepStrictEqual(
      await arriving(rule, [
        "/@acme%2fapp",
        "/%40acme/app",
        "/projects/acme%2Fapp/issues",
        "/a%20b/%C3%BC",
        "/@%61cme/app",
        "/@acmes%2fapp",
        "/projects/acme%2fapp%2fissues%2f1",
      ]),
      [
        "/@acme%2fapp",
        "/%40acme/app",
        "/projects/acme%2Fapp/issues",
        "/a%20b/%C3%BC",
        "/@acme/app",
      ],
    )
  })

  it("matches for servers that take an encoded slash for one, and for those that do not", async () => {
    const paths = ["/projects/acme%2fissues", "/projects/acme%2fapp"]
    assert.deepStrictEqual(await arriving({ paths: ["/projects/*/issues"] }, paths), [])
    const deny = { paths: ["/projects/*"], action: "deny" as const }
    assert.deepStrictEqual(await arriving([deny, {}], paths), [])
  })

  it("is refused when servers could read it in two ways", async () => {
    const paths = [
      "/open/..%2fclosed",
      "/open/%2e%2e%2fclosed",
      "/open%2f..%2fclosed",
      "/open//closed",
      "/open/%2fclosed",
      "/open/%252e%252e/closed",
      "/open/%25%32%65",
      "/open/a%5cb",
      "/open/a\\b",
      "/open/a%00b",
      "/open/a%0ab",
      "/open/%c0%ae%c0%ae/closed",
      "/open/%zz",
      "/open/%",
      "/open/;/closed",
      "/;x/closed",
      "/open/%252F",
    ]
    assert.deepStrictEqual(await arriving({ paths: ["/open/**"] }, paths), [])
    assert.deepStrictEqual(await arriving([{ paths: ["/closed"], action: "deny" }, {}], paths), [])
  })

  it("is denied in every spelling that a server may take for it", async () => {
    const paths = [
      "/admin/users",
      "/%61dmin/users",
      "/ADMIN/users",
      "/admin%2fusers",
      "/admin;a=b/users",
      "/admin/users/",
      "/admin/users;",
      "/x/../admin/users",
      "/admin./users",
      "/admin/users.%20",
      "/x/%2e%2E/admin/users",
    ]
    assert.deepStrictEqual(
      await arriving([{ paths: ["/admin/users"], action: "deny" }, {}], [...paths, "/admins"]),
      ["/admins"],
    )
    assert.deepStrictEqual(
      await arriving([{ paths: ["/admin/users"], action: "ask" }, {}], paths),
      [],
    )
  })

  it("is denied in other alphabets too", async () => {
    const names = ["ΟΔΟΣ", "İ"].map((name) => `/${encodeURIComponent(name)}`)
    assert.deepStrictEqual(await arriving([{ paths: names, action: "deny" }, {}], names), [])
  })

  it("is matched in a time that grows with its length only", async () => {
    const paths = [`/${"**/a".repeat(12)}/end`, `/${"*a".repeat(12)}/end`]
    const asked = [`/${"a/".repeat(3000)}x`, `/${"a".repeat(6000)}`]
    assert.deepStrictEqual(await arriving({ paths }, asked), [])
  })
})

describe("headers by which a server takes another method or path than the request's", () => {
  const headers = {
    "x-http-method-override": "DELETE",
    "x-http-method": "DELETE",
    "x-method-override": "DELETE",
    "x-original-url": "/admin",
    "x-rewrite-url": "/admin",
    x_http_method_override: "DELETE",
    "x-other": "kept",
  }
  const sent = async (rule: EgressRules["allow"][string]) => {
    await using proxy = await startProxy(destination, rulesOf(rule))
    const before = destination.received.length
    await ask(proxy, destination, { method: "POST", headers })
    await askHttp2(proxy, destination, {
      ":authority": at("api.test"),
      ":method": "POST",
      ...headers,
    })
    return destination.received
      .slice(before)
      .map(({ headers: got }) => Object.keys(headers).filter((name) => name in got))
  }

  it("are left out where a rule looks at methods or paths", async () => {
    for (const rule of [
      { methods: ["POST"] },
      [{ methods: ["DELETE"], action: "deny" as const }, {}],
      [{ paths: ["/admin"], action: "deny" as const }, {}],
    ]) {
      assert.deepStrictEqual(await sent(rule), [["x-other"], ["x-other"]])
    }
  })

  it("are passed on where none does", async () => {
    const all = Object.keys(headers)
    assert.deepStrictEqual(await sent({ headers: { "x-key": key } }), [all, all])
  })
})
