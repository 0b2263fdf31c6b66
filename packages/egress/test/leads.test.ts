import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import type { EgressRules } from "@cordon/core"
import { Effect } from "effect"
import { assert, describe, it } from "vitest"
import { nameScript } from "../src/hosts.ts"
import { leadsOf, parseRules } from "../src/leads.ts"

const leads = (rules: EgressRules) => leadsOf(Effect.runSync(parseRules(rules)))
const refusal = (rules: unknown) =>
  Effect.runSync(Effect.flip(parseRules(rules as EgressRules))).message

describe("transparent rules", () => {
  it("lead exact names to the ports of their destinations", () => {
    const allow = {
      "api.test": {},
      "*.wide.test": {},
      "db.test:5432": {},
      "api.test:8443": {},
      "*": {},
      "app.localhost": {},
    }
    assert.deepStrictEqual(leads({ allow }), { names: [], ports: [] })
    assert.deepStrictEqual(leads({ allow, transparent: true }), {
      names: ["api.test", "db.test"],
      ports: [443, 5432, 80, 8443],
    })
  })

  it("lead to what the list `only` leaves, and to exact names of that list", () => {
    assert.deepStrictEqual(
      leads({
        allow: { "api.test": {}, "db.test:5432": {}, "*.wide.test": {} },
        only: ["api.test", "a.wide.test", "unknown.test"],
        transparent: true,
      }),
      { names: ["a.wide.test", "api.test"], ports: [443, 80] },
    )
  })

  it("are refused when their ports can't be listened on inside, or are too many", () => {
    const transparent = true
    assert.match(refusal({ allow: { "api.test:3128": {} }, transparent }), /port 3128.*the proxy/)
    const ports = Array.from({ length: 17 }, (_, index) => [`api.test:${5000 + index}`, {}])
    assert.match(refusal({ allow: Object.fromEntries(ports), transparent }), /16 ports at most/)
    assert.match(refusal({ allow: {}, transparent: "yes" }), /true or false/)
    // Without that, they need no port.
    assert.deepStrictEqual(leads({ allow: { "api.test:3128": {} } }).ports, [])
  })

  it.each(["api.test\n10.0.0.1 x.test", "api.test other.test", "api.test#", "localhost", "a..b"])(
    "can't write another line into the file of names: %j",
    (name) =>
      assert.match(
        refusal({ allow: { [name]: {} }, transparent: true }),
        /must be a lower-case domain name/,
      ),
  )
})

describe("the file of names in a sandbox", () => {
  const written = (before: string, ...runs: ReadonlyArray<ReadonlyArray<string>>) => {
    const folder = mkdtempSync(join(tmpdir(), "cordon-names-"))
    const file = join(folder, "hosts")
    try {
      writeFileSync(file, before)
      writeFileSync(join(folder, "a.test"), "")
      for (const names of runs) {
        const input = names.map((name) => `${name}\n`).join("")
        execFileSync("sh", ["-c", nameScript(file)], { input, cwd: folder })
      }
      return readFileSync(file, "utf8")
    } finally {
      rmSync(folder, { recursive: true })
    }
  }
  const engine =
    "127.0.0.1\tlocalhost\n# a note * of \\n the engine\n10.0.0.9 *\n172.17.0.2\tbox.test box\n"
  const line = (name: string) => `127.0.0.1 ${name} # cordon-egress\n`

  it("has the names of the last rules, and all other lines as they were", () => {
    assert.strictEqual(
      written(engine, ["a.test", "b.test"], ["b.test", "c.test"]),
      engine + line("b.test") + line("c.test"),
    )
    assert.strictEqual(written(engine, ["a.test"], []), engine)
    // A last line without an end must not run into ours.
    assert.strictEqual(written("::1 localhost", ["a.test"]), `::1 localhost\n${line("a.test")}`)
  })

  it("keeps the meaning of names that it has, such as the sandbox's own", () => {
    assert.strictEqual(written(engine, ["box.test", "a.test"]), engine + line("a.test"))
  })
})
