import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import * as fc from "fast-check"
import {
  Destination,
  EgressPolicy,
  leadsTo,
  meetingOf,
  parseDestination,
} from "../src/values/Egress.ts"

const isDestination = Schema.is(Destination)
const isPolicy = Schema.is(EgressPolicy)

describe("an allow-list of destinations", () => {
  it("accepts names, wildcards of subdomains, and ports", () => {
    for (const [text, parsed] of [
      ["pypi.org", { domain: "pypi.org", below: false, port: undefined }],
      ["*.pythonhosted.org", { domain: "pythonhosted.org", below: true, port: undefined }],
      ["registry.example.com:5000", { domain: "registry.example.com", below: false, port: 5000 }],
      ["xn--bcher-kva.example", { domain: "xn--bcher-kva.example", below: false, port: undefined }],
    ] as const) {
      assert.isTrue(isDestination(text), text)
      assert.deepStrictEqual(parseDestination(text), parsed)
    }
  })

  it("refuses addresses, other patterns, and invalid names", () => {
    for (const text of [
      "",
      "localhost",
      "10.0.0.1",
      "10.0.0.1:80",
      "[::1]",
      "*",
      "*.*.org",
      "a.*.org",
      "PyPI.org",
      "pypi.org.",
      ".pypi.org",
      "pypi..org",
      "-a.org",
      "pypi.org:0",
      "pypi.org:70000",
      "pypi.org:",
      "https://pypi.org",
      "pypi.org/simple",
      "user@pypi.org",
      "pypi.org\nhttp_access allow all",
      "pypi.org allow",
      `${"a".repeat(64)}.org`,
    ]) {
      assert.isFalse(isDestination(text), JSON.stringify(text))
    }
  })

  it("never accepts text that could be read as more than one name", () => {
    void fc.assert(
      fc.property(fc.string(), (text) => {
        for (const candidate of [`${text}.org`, `*.${text}.org`, `a.${text}`]) {
          if (isDestination(candidate)) assert.match(candidate, /^[*a-z0-9.:-]+$/)
        }
      }),
    )
  })

  it("accepts ranges of private addresses up to a maximum size", () => {
    const allow = ["pypi.org"]
    assert.isTrue(isPolicy({ allow, allowAddresses: ["10.20.0.0/16"] }))
    for (const range of [
      "0.0.0.0/0",
      "10.0.0.0/7",
      "10.0.0.0",
      "10.0.0.256/24",
      "10.0.0.0/33",
      "::/0",
    ]) {
      assert.isFalse(isPolicy({ allow, allowAddresses: [range] }), range)
    }
  })
})

describe("the meeting of two destinations", () => {
  const names = ["a.test", "b.a.test", "c.b.a.test", "ba.test"]
  const ports = ["", ":80", ":443", ":8443"]
  const destinations = ["*", ...names.flatMap((name) => [name, `*.${name}`])].flatMap((name) =>
    ports.map((port) => name + port),
  )
  const ends = names.flatMap((name) => [80, 443, 8443, 22].map((port) => `${name}:${port}`))

  it("leads exactly to what both lead to", () => {
    for (const one of destinations) {
      for (const other of destinations) {
        const meeting = meetingOf(one, other)
        const reached = ends.filter((end) => meeting !== undefined && leadsTo(meeting, end))
        const both = ends.filter((end) => leadsTo(one, end) && leadsTo(other, end))
        assert.deepStrictEqual(reached, both, `${one} and ${other}`)
      }
    }
  })
})
