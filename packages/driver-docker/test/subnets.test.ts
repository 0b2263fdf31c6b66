import { assert, describe, it } from "@effect/vitest"
import { Effect, Option } from "effect"
import * as fc from "fast-check"
import {
  capacityOf,
  formatSubnet,
  freeSubnets,
  parsePool,
  parseSubnet,
} from "../src/network/subnets.ts"

const pool = (cidr: string) => Option.getOrThrow(parseSubnet(cidr))

describe("subnets", () => {
  it("are parsed as ranges, and other text is refused", () => {
    assert.deepStrictEqual(pool("10.0.0.0/8"), { first: 0x0a000000, last: 0x0affffff })
    assert.deepStrictEqual(pool("10.213.7.9/29"), { first: 0x0ad50708, last: 0x0ad5070f })
    assert.deepStrictEqual(pool("255.255.255.255/32"), { first: 0xffffffff, last: 0xffffffff })
    for (const text of [
      "",
      "10.0.0.0",
      "10.0.0/8",
      "10.0.0.256/8",
      "10.0.0.0/33",
      "fd00::/64",
      "010.0.0.0/8",
      "1.2.3.4/8/8",
      "a.b.c.d/8",
    ]) {
      assert.isTrue(Option.isNone(parseSubnet(text)), text)
    }
  })

  it("are formatted as they are parsed", () =>
    fc.assert(
      fc.property(fc.nat(0xffffffff), fc.integer({ min: 1, max: 32 }), (address, prefix) => {
        const { first } = pool(formatSubnet(address, prefix))
        assert.deepStrictEqual(pool(formatSubnet(first, prefix)).first, first)
        assert.isAtMost(first, address)
        assert.isAbove(first + 2 ** (32 - prefix), address)
      }),
    ))

  it("are each offered once, all free ones, and none that overlaps a used one", () =>
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.nat(255), fc.integer({ min: 22, max: 32 }))),
        fc.double({ min: 0, max: 0.999, noNaN: true }),
        (taken, start) => {
          const used = taken.map(([byte, prefix]) => `10.9.8.${byte}/${prefix}`)
          const within = pool("10.9.8.0/24")
          const free = [...freeSubnets(within, [...used, "fe80::/10", "nonsense"], start)]
          assert.strictEqual(new Set(free).size, free.length)
          for (const cidr of free) {
            const { first, last } = pool(cidr)
            assert.isTrue(first >= within.first && last <= within.last && last - first === 7)
            for (const other of used.map(pool))
              assert.isTrue(last < other.first || other.last < first)
          }
          // What is not offered collides.
          const offered = new Set(free)
          for (let first = within.first; first <= within.last; first += 8) {
            const cidr = formatSubnet(first, 29)
            if (offered.has(cidr)) continue
            assert.isTrue(
              used.map(pool).some((other) => other.first <= first + 7 && first <= other.last),
            )
          }
        },
      ),
    ))

  it.effect("come from a validated pool", () =>
    Effect.gen(function* () {
      assert.strictEqual(capacityOf(yield* parsePool("10.213.0.0/16")), 8192)
      for (const cidr of ["10.0.0.0/30", "nonsense", "fd00::/8"]) {
        const error = yield* Effect.flip(parsePool(cidr))
        assert.strictEqual(error._tag, "InvalidInput")
        assert.match(error.message, /10\.213\.0\.0\/16/)
      }
    }),
  )
})
