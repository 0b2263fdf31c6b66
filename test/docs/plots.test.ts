import { readdirSync, readFileSync } from "node:fs"
import { join } from "node:path"
import { assert, describe, it } from "vitest"
import type { Result } from "../../bench/harness/measure.ts"
import { plot, ticksOf } from "../../bench/harness/plot.ts"
import { root } from "./blocks.ts"

const results = readdirSync(join(root, "bench/results")).map((file): Result => {
  return JSON.parse(readFileSync(join(root, "bench/results", file), "utf8"))
})

const numbers = (text: string, pattern: RegExp) =>
  [...text.matchAll(pattern)].map((match) => match.slice(1).map(Number))

describe("the plots of the benchmarks", () => {
  it("show the recorded results", () => {
    assert.isNotEmpty(results)
    for (const result of results) {
      const drawn = readFileSync(join(root, "docs/performance", `${result.name}.svg`), "utf8")
      assert.strictEqual(drawn, plot(result), `${result.name}: run bench --page`)
    }
  })

  it("have bars that start at zero, with lengths proportional to the medians", () => {
    for (const result of results) {
      const picture = plot(result)
      const ticks = numbers(picture, /<text x="([\d.]+)"[^>]*text-anchor="middle"[^>]*>([^<]+)</g)
      const zero = ticks.find(([, value]) => value === 0)?.[0]
      const [first = [], last = []] = [ticks.at(0), ticks.at(-1)]
      const [pixels = 0, values = 1] = first.map((value, index) => (last[index] ?? 0) - value)
      const bars = numbers(picture, /<rect x="([\d.]+)" y="\d+" width="([\d.]+)"/g)
      const medians = Object.values(result.subjects).map(({ median }) => median)
      assert.lengthOf(bars, medians.length)
      for (const [index, median] of medians.entries()) {
        const [start = 0, length = 0] = bars[index] ?? []
        assert.strictEqual(median < 0 ? start + length : start, zero, result.name)
        assert.closeTo(length, (Math.abs(median) * pixels) / values, 0.2, result.name)
      }
    }
  })

  it("have round numbers on the axis, including zero", () => {
    assert.deepStrictEqual(ticksOf([0.31]), [0, 0.1, 0.2, 0.3, 0.4])
    assert.deepStrictEqual(ticksOf([8321]), [0, 2000, 4000, 6000, 8000, 10000])
    assert.deepStrictEqual(ticksOf([-8.5, 53]), [-20, 0, 20, 40, 60])
    assert.deepStrictEqual(ticksOf([0]), [0, 0.2])
  })
})
