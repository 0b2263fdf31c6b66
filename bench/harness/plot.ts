import type { Result } from "./measure.ts"
import { round } from "./text.ts"

const escaped = (text: string) =>
  text.replace(/[&<>"]/g, (character) => `&#${character.charCodeAt(0)};`)

const width = 760
const labelWidth = 150
const valueWidth = 100
const rowHeight = 34
const plotWidth = width - labelWidth - valueWidth

/**
 * A row for each subject: a bar up to the median, a dot for every try, a tick at p95. The axis is
 * logarithmic where one subject's bar would otherwise be too short to be seen.
 */
export const plot = ({ subjects, title, unit }: Result): string => {
  const entries = Object.entries(subjects)
  const all = entries.flatMap(([, { samples }]) => samples)
  const most = Math.max(...all)
  const medians = entries.map(([, { median }]) => median)
  const logarithmic = Math.min(...medians) > 0 && Math.min(...medians) < most / 10
  // A decade below the smallest, so that the shortest bar has a length.
  const least = logarithmic ? Math.min(...all.filter((value) => value > 0)) / 2 : 0
  const x = (value: number) => {
    const share = logarithmic
      ? Math.log(Math.max(value, least) / least) / Math.log(most / least)
      : value / most
    return labelWidth + share * plotWidth
  }
  const rows = entries.map(([name, { median, p95, samples }], index) => {
    const y = 40 + index * rowHeight
    const middle = y + rowHeight / 2
    const colour = name.startsWith("cordon") ? "#2563eb" : "#94a3b8"
    return [
      `<text x="${labelWidth - 10}" y="${middle + 4}" text-anchor="end">${escaped(name)}</text>`,
      `<rect x="${labelWidth}" y="${y + 6}" width="${(x(median) - labelWidth).toFixed(1)}" height="${rowHeight - 12}" fill="${colour}" fill-opacity="0.75"/>`,
      ...samples.map(
        (sample) =>
          `<circle cx="${x(sample).toFixed(1)}" cy="${middle}" r="2" fill="#0f172a" fill-opacity="0.35"/>`,
      ),
      `<line x1="${x(p95).toFixed(1)}" x2="${x(p95).toFixed(1)}" y1="${y + 4}" y2="${y + rowHeight - 4}" stroke="#0f172a"/>`,
      `<text x="${width - valueWidth + 14}" y="${middle + 4}">${round(median)} ${escaped(unit)}</text>`,
    ].join("\n")
  })
  const height = 40 + entries.length * rowHeight + 26
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${height}" width="${width}" height="${height}" font-family="system-ui, sans-serif" font-size="13">
<title>${escaped(title.replaceAll("`", ""))}</title>
<rect width="${width}" height="${height}" fill="#ffffff"/>
<text x="${labelWidth}" y="24" font-weight="600">${escaped(title.replaceAll("`", ""))}</text>
${rows.join("\n")}
<text x="${labelWidth}" y="${height - 8}" font-size="11" fill="#475569">bar: median; dots: tries; line: p95; ${logarithmic ? "logarithmic" : "linear"} axis, less is better</text>
</svg>
`
}
