import {
  CreateOptions,
  defaultLimits,
  formatMemory,
  ImageReference,
  parseMemory,
  resolveLimits,
  resolveSandboxId,
  SandboxName,
  SessionId,
  sandboxId,
  sandboxPath,
  sessionKey,
  storagePath,
} from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Option, Schema } from "effect"
import * as fc from "fast-check"
import { User } from "../src/values/Sandbox.ts"

const name = fc.stringMatching(/^[a-z0-9](?:[a-z0-9-]{0,36}[a-z0-9])?$/)
const keyOf = (session: string) => sessionKey(SessionId.make(session))

describe("text that UTF-8 can't carry", () => {
  const half = "victim-\ud83d"

  it("is refused as a session ID: two such IDs would have one key", () => {
    assert.isFalse(Schema.is(SessionId)(half))
    assert.isTrue(Schema.is(SessionId)("victim-\u{1f600}"))
    assert.isTrue(Schema.is(SessionId)("victim-\ufffd"))
  })

  it.effect("is refused as a path, a variable and a folder", () =>
    Effect.gen(function* () {
      assert.match((yield* Effect.flip(sandboxPath(half, "/"))).reason, /half of a character/)
      assert.match((yield* Effect.flip(storagePath(half))).reason, /half of a character/)
      for (const options of [{ env: { A: half } }, { workdir: `/${half}` }]) {
        const error = yield* Effect.flip(Schema.decodeUnknownEffect(CreateOptions)(options))
        assert.match(error.message, /well-formed Unicode/)
      }
    }),
  )

  const odd = fc.constantFrom("\ud83d", "\ude00", "\ufffd", "a")

  it("never gives two session IDs one key", () =>
    fc.assert(
      fc.property(fc.array(fc.string({ unit: odd, minLength: 1, maxLength: 3 })), (some) => {
        const ids = some.filter((id) => Schema.is(SessionId)(id))
        const keys = new Set(ids.map((id) => sessionKey(SessionId.make(id))))
        assert.strictEqual(keys.size, new Set(ids).size)
      }),
    ))
})

describe("memory sizes", () => {
  it.each([
    ["2GiB", 2 * 1024 ** 3],
    ["2g", 2 * 1024 ** 3],
    ["512m", 512 * 1024 ** 2],
    ["512 MiB", 512 * 1024 ** 2],
    ["1.5GB", 1.5e9],
    ["100", 100],
    [" 64k ", 65536],
  ])("read %s", (text, bytes) => {
    assert.deepStrictEqual(parseMemory(text), Option.some(bytes))
  })

  it.each(["", "abc", "-1m", "1e9", "1.2.3g", "2 XiB", "99999999999999999999g", "NaN", "٣m"])(
    "refuse %j",
    (text) => {
      assert.isTrue(Option.isNone(parseMemory(text)))
    },
  )

  it("are read back as written, to the written precision", () =>
    fc.assert(
      fc.property(fc.integer({ min: 1, max: 1024 }), fc.constantFrom(1, 2, 3), (count, power) => {
        const bytes = count * 1024 ** power
        const read = Option.getOrThrow(parseMemory(formatMemory(bytes)))
        assert.isAtMost(Math.abs(read - bytes) / bytes, 0.01)
      }),
    ))
})

describe("users", () => {
  const valid = Schema.is(User)
  it.each(["root", "1000", "1000:1000", "node:2147483647", "4294967296x"])("accept %s", (user) =>
    assert.isTrue(valid(user)),
  )
  it.each([
    "",
    "-1",
    "+0",
    ":0",
    "a:b:c",
    "2147483648",
    "4294967296",
    "0:4294967295",
    "9".repeat(60),
  ])("refuse %j", (user) => assert.isFalse(valid(user)))
})

describe("limits", () => {
  it.effect("get defaults, and are normalised from human forms", () =>
    Effect.gen(function* () {
      assert.deepStrictEqual(yield* resolveLimits({}), defaultLimits)
      assert.deepStrictEqual(yield* resolveLimits({ memory: "512m", cpus: 0.5, pids: 64 }), {
        memory: 512 * 1024 ** 2,
        cpus: 0.5,
        pids: 64,
      })
    }),
  )

  it.effect.each([
    [{ memory: 0 }, "memory", /at least 16 MiB/],
    [{ memory: -1 }, "memory", /at least 16 MiB/],
    [{ memory: 1.5 * 1024 ** 2 + 0.5 }, "memory", /whole number/],
    [{ memory: "lots" }, "memory", /such as "512MiB"/],
    [{ memory: "5GiB" }, "memory", /at most 4 GiB/],
    [{ cpus: 0 }, "cpus", /at least 0.01 cores/],
    [{ cpus: Number.NaN }, "cpus", /finite/],
    [{ cpus: 3 }, "cpus", /at most 2 cores/],
    [{ pids: 1 }, "pids", /at least 16 processes/],
    [{ pids: 20.5 }, "pids", /whole number/],
    [{ pids: Number.POSITIVE_INFINITY }, "pids", /finite/],
  ] as const)("refuse %j with the allowed bound", ([input, limit, expected]) =>
    Effect.gen(function* () {
      const host = { memory: 4 * 1024 ** 3, cpus: 2 }
      const error = yield* Effect.flip(resolveLimits(input, defaultLimits, host))
      assert.strictEqual(error._tag, "InvalidLimits")
      assert.strictEqual(error.limit, limit)
      assert.match(error.message, expected)
    }),
  )
})

describe("sandbox names and IDs", () => {
  it("are different for each session, and at most 63 characters", () =>
    fc.assert(
      fc.property(name, fc.string({ minLength: 1 }), fc.string({ minLength: 1 }), (text, a, b) => {
        const box = SandboxName.make(text)
        const id = sandboxId(keyOf(a), box)
        assert.isAtMost(id.length, 63)
        assert.strictEqual(resolveSandboxId(keyOf(a), text), id)
        assert.strictEqual(resolveSandboxId(keyOf(a), id), id)
        if (a !== b) {
          assert.notStrictEqual(sandboxId(keyOf(b), box), id)
          // An ID of another session is no name either: it is too long or has the wrong prefix.
          assert.notStrictEqual(resolveSandboxId(keyOf(b), id), id)
        }
      }),
    ))

  it("never resolve to something outside the session", () =>
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (reference) => {
        const id = resolveSandboxId(keyOf("a"), reference)
        assert.isTrue(id === undefined || id.startsWith(`cordon-${keyOf("a").slice(0, 16)}-`))
      }),
    ))

  it.each(["", "-a", "a-", "A", "a_b", "a/b", "..", "a\n", "a".repeat(39), "é", " a"])(
    "refuse the name %j",
    (text) => {
      assert.isFalse(Schema.is(SandboxName)(text))
    },
  )
})

describe("image references", () => {
  it.each([
    "ubuntu",
    "ubuntu:24.04",
    "127.0.0.1:5000/cordon/debian:12",
    "ghcr.io/a/b_c/d-e:v1.2.3-rc.1",
    `alpine@sha256:${"a".repeat(64)}`,
  ])("accept %s", (image) => {
    assert.isTrue(Schema.is(ImageReference)(image))
  })

  it.each(["", " ", "Ubuntu", "-v", "ubuntu:", "a b", "http://x/y", "x:y:z", "../x", "x\n"])(
    "refuse %j",
    (image) => {
      assert.isFalse(Schema.is(ImageReference)(image))
    },
  )
})

describe("paths", () => {
  it.effect("are absolute inside a sandbox, with every character that Linux allows", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* sandboxPath("a b/-c\n", "/workspace"), "/workspace/a b/-c\n")
      assert.strictEqual(yield* sandboxPath("/x/../y", "/workspace"), "/x/../y")
      assert.strictEqual(yield* sandboxPath("a", "/"), "/a")
      for (const path of ["", "a\0b", "x".repeat(256), "a/".repeat(2100)]) {
        assert.strictEqual((yield* Effect.flip(sandboxPath(path, "/")))._tag, "InvalidPath")
      }
    }),
  )

  it.effect("never leave session storage", () =>
    Effect.gen(function* () {
      assert.strictEqual(yield* storagePath("./a//b/."), "a/b")
      for (const path of ["/etc/passwd", "..", "a/../..", "a/../b", "", "a\0"]) {
        assert.strictEqual((yield* Effect.flip(storagePath(path)))._tag, "InvalidPath")
      }
    }),
  )
})
