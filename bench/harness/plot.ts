import type { Result } from "./measure.ts"
import { round } from "./text.ts"

const escaped = (text: string) =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

const width = 760
const labelWidth = 150
const valueWidth = 110
const top = 40
const rowHeight = 34
const plotWidth = width - labelWidth - valueWidth

// The colours of a dark page. A browser that shows the plot in one replaces the colours below by these.
const dark = `<style>@media (prefers-color-scheme: dark) {
text { fill: #e2e8f0 } [fill="#ffffff"] { fill: #1b1b1f } [fill="#475569"] { fill: #a8b5c7 }
[fill="#0f172a"] { fill: #f1f5f9 } [fill="#2563eb"] { fill: #60a5fa }
[stroke="#475569"] { stroke: #a8b5c7 } [stroke="#e2e8f0"] { stroke: #334155 } [stroke="#0f172a"] { stroke: #f1f5f9 }
}</style>`

/** The ticks of a linear axis that has zero and all values on it: four to nine round numbers. */
export const ticksOf = (values: ReadonlyArray<number>): ReadonlyArray<number> => {
  const least = Math.min(0, ...values)
  const most = Math.max(0, ...values)
  const rough = (most - least || 1) / 5
  const magnitude = 10 ** Math.floor(Math.log10(rough))
  const step = magnitude * ([1, 2, 5].find((factor) => factor * magnitude >= rough) ?? 10)
  const first = Math.floor(least / step)
  const last = Math.max(Math.ceil(most / step), first + 1)
  // Multiplied and rounded, because 0.1 + 0.2 is 0.30000000000000004.
  return Array.from({ length: last - first + 1 }, (_, index) =>
    Number(((first + index) * step).toPrecision(12)),
  )
}

/**
 * A row for each subject: a bar from zero to the median, a dot for every try, a vertical line at p95. The axis is
 * linear: twice the length is twice the value.
 */
export const plot = ({ subjects, title, unit }: Result): string => {
  const entries = Object.entries(subjects)
  const ticks = ticksOf(
    entries.flatMap(([, { samples, median, p95 }]) => [...samples, median, p95]),
  )
  const least = ticks.at(0) ?? 0
  const most = ticks.at(-1) ?? 1
  const x = (value: number) =>
    (labelWidth + ((value - least) / (most - least)) * plotWidth).toFixed(1)
  const bottom = top + entries.length * rowHeight
  const axis = ticks.map((tick) =>
    [
      `<line x1="${x(tick)}" x2="${x(tick)}" y1="${top}" y2="${bottom + 5}" stroke="${tick === 0 ? "#475569" : "#e2e8f0"}"/>`,
      `<text x="${x(tick)}" y="${bottom + 19}" text-anchor="middle" font-size="11" fill="#475569">${tick}</text>`,
    ].join("\n"),
  )
  const rows = entries.map(([name, { median, p95, samples }], index) => {
    const y = top + index * rowHeight
    const middle = y + rowHeight / 2
    const colour = name.startsWith("cordon") ? "#2563eb" : "#94a3b8"
    const length = Math.abs(Number(x(median)) - Number(x(0))).toFixed(1)
    return [
      `<text x="${labelWidth - 10}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${x(Math.min(0, median))}" y="${y + 6}" width="${length}" height="${rowHeight - 12}" fill="${colour}" fill-opacity="0.75"/>`,
      ...samples.map(
        (sample) =>
          `<circle cx="${x(sample)}" cy="${middle}" r="2" fill="#0f172a" fill-opacity="0.35"/>`,
      ),
      `<line x1="${x(p95)}" x2="${x(p95)}" y1="${y + 4}" y2="${y + rowHeight - 4}" stroke="#0f172a"/>`,
      `<text x="${width - valueWidth + 18}" y="${middle + 4}">${round(median)} ${escaped(unit)}</text>`,
    ].join("\n")
  })
  const height = bottom + 48
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="13">
<title>${escaped(title.replaceAll("`", ""))}</title>
${dark}
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="${labelWidth}" y="24" font-weight="600">${escaped(title.replaceAll("`", ""))}</text>
${[...axis, ...rows].join("\n")}
<text x="${labelWidth}" y="${height - 8}" font-size="11" fill="#475569">${escaped(unit)}, less is better; bar: median; dots: tries; upright line: p95</text>
</svg>
`
}
