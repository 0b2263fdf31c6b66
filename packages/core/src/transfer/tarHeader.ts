/** What a header of a tar archive says of its entry. */
export interface TarHeader {
  readonly path: string
  readonly kind: "file" | "directory" | "symlink" | "hardlink"
  readonly size: number
  readonly mode: number
  readonly linkTarget?: string | undefined
  readonly modifiedAt?: Date | undefined
}

const block = 512
const flags = { file: "0", hardlink: "1", symlink: "2", directory: "5", pax: "x" }
// What eleven octal digits hold.
const mostOctal = 8 ** 11 - 1

const isPlain = (text: string) => /^[\x20-\x7e]*$/.test(text)

/** Where a long path is cut in two, after a slash; nothing where no cut fits. */
const split = (path: string): readonly [prefix: string, name: string] | undefined => {
  if (!isPlain(path)) return undefined
  if (path.length <= 100) return ["", path]
  const at = path.indexOf("/", path.length - 101)
  return at > 0 && at <= 155 && at < path.length - 1
    ? [path.slice(0, at), path.slice(at + 1)]
    : undefined
}

const record = (
  [prefix, name]: readonly [string, string],
  flag: string,
  size: number,
  mode: number,
  linkTarget: string,
  seconds: number,
): Buffer => {
  const octal = (value: number, digits: number) => value.toString(8).padStart(digits, "0")
  const header = Buffer.alloc(block)
  header.write(name, 0, "latin1")
  header.write(`${octal(mode & 0o7777, 7)}\0${octal(0, 7)}\0${octal(0, 7)}\0`, 100, "latin1")
  if (size <= mostOctal) header.write(octal(size, 11), 124, "latin1")
  else {
    header[124] = 0x80
    header.writeBigUInt64BE(BigInt(size), 128)
  }
  header.write(octal(seconds, 11), 136, "latin1")
  header.write(`        ${flag}`, 148, "latin1")
  header.write(linkTarget, 157, "latin1")
  header.write("ustar\x0000", 257, "latin1")
  header.write(prefix, 345, "latin1")
  let sum = 0
  for (const byte of header) sum += byte
  header.write(`${octal(sum, 6)}\0 `, 148, "latin1")
  return header
}

/** Zeros up to the next whole block. */
export const padding = (size: number): Uint8Array =>
  new Uint8Array((block - (size % block)) % block)

/** Ends an archive. */
export const archiveEnd = (): Uint8Array => new Uint8Array(2 * block)

/** `length key=value`, where the length counts itself. */
const paxLine = (key: string, value: string): string => {
  const rest = Buffer.byteLength(` ${key}=${value}\n`)
  let length = rest + String(rest).length
  if (rest + String(length).length > length) length++
  return `${length} ${key}=${value}\n`
}

/** The header of an entry (ustar), with a pax header before it for what does not fit. */
export const tarHeader = ({
  path,
  kind,
  size,
  mode,
  linkTarget = "",
  modifiedAt,
}: TarHeader): Uint8Array => {
  const named = kind === "directory" && !path.endsWith("/") ? `${path}/` : path
  const name = split(named)
  const time = Math.min(Math.max(0, modifiedAt?.getTime() || 0), mostOctal * 1000)
  // Where whole seconds do not suffice, a tar that reads no more than them has the file a little newer,
  // never older: what was made of it is then made anew rather than taken for current.
  const seconds = Math.ceil(time / 1000)
  const timeFits = seconds * 1000 === time
  const linkFits = isPlain(linkTarget) && linkTarget.length <= 100
  const header = record(
    name ?? ["", "PaxEntry"],
    flags[kind],
    size,
    mode,
    linkFits ? linkTarget : "",
    seconds,
  )
  if (name !== undefined && linkFits && timeFits) return header
  const lines = Buffer.from(
    (name === undefined ? paxLine("path", named) : "") +
      (linkFits ? "" : paxLine("linkpath", linkTarget)) +
      (timeFits ? "" : paxLine("mtime", (time / 1000).toFixed(3))),
  )
  const pax = record(["", "PaxHeader"], flags.pax, lines.length, 0o644, "", 0)
  return Buffer.concat([pax, lines, padding(lines.length), header])
}
