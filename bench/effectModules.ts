/**
 * Compares Effect's own modules with ours, alternating in one process. Prints medians in ms, and
 * their ratio.
 */
import { type ArchiveEntry, packArchive, unpackArchive } from "@cordon/core"
import { Effect, Result, Stream } from "effect"
import { Ndjson, Tar } from "effect/encoding"
import { IpNetwork, NetAddress } from "effect/net"
import { CommandLine } from "effect/process"
import { shellWord } from "../packages/core/src/sandbox/shell/shellWord.ts"
import { freeSubnets, parsePool } from "../packages/driver-docker/src/network/subnets.ts"
import { isOpen, parseRange } from "../packages/egress/src/destinations.ts"

const rounds = 9
const median = (times: ReadonlyArray<number>) =>
  [...times].sort((one, other) => one - other)[Math.floor(times.length / 2)] ?? 0

const timed = async (run: () => Promise<unknown>) => {
  const begun = performance.now()
  await run()
  return performance.now() - begun
}

const compare = async (
  name: string,
  ours: () => Promise<unknown>,
  theirs: () => Promise<unknown>,
) => {
  const times = { ours: [] as Array<number>, theirs: [] as Array<number> }
  await ours()
  await theirs()
  for (let round = 0; round < rounds; round++) {
    times.ours.push(await timed(ours))
    times.theirs.push(await timed(theirs))
  }
  const [one, other] = [median(times.ours), median(times.theirs)]
  console.log(
    `${name}: ours ${one.toFixed(1)} ms, Effect's ${other.toFixed(1)} ms, ${(other / one).toFixed(2)}x`,
  )
}

const run = <A, E>(effect: Effect.Effect<A, E>) => Effect.runPromise(effect)

const sets = {
  "2000 files of 1 KiB": { count: 2000, size: 1024 },
  "64 files of 1 MiB": { count: 64, size: 1024 * 1024 },
}

for (const [name, { count, size }] of Object.entries(sets)) {
  const bytes = new Uint8Array(size).fill(97)
  const paths = Array.from({ length: count }, (_, at) => `folder/file-${at}.txt`)
  const entries: ReadonlyArray<ArchiveEntry> = paths.map((path) => ({
    path,
    kind: "file",
    size,
    mode: 0o644,
    modifiedAt: new Date(0),
    content: Stream.succeed(bytes),
    // Small files come whole and large ones in chunks, as in a transfer.
    ...(size > 65_536 ? {} : { whole: bytes }),
  }))
  const files = paths.map((path) => Tar.file(path, bytes))
  const pack = packArchive(Stream.fromIterable(entries))
  const encode = Stream.fromIterable(files).pipe(Stream.pipeThroughChannel(Tar.encode()))
  await compare(
    `pack ${name}`,
    () => run(Stream.runDrain(pack)),
    () => run(Stream.runDrain(encode)),
  )
  const whole = Buffer.concat(await run(Stream.runCollect(pack)))
  const pieces = Array.from({ length: Math.ceil(whole.length / 65536) }, (_, at) =>
    whole.subarray(at * 65536, (at + 1) * 65536),
  )
  const archive = Stream.fromIterable(pieces).pipe(Stream.rechunk(1))
  await compare(
    `unpack ${name}`,
    () => run(unpackArchive(archive, ({ content }) => Stream.runDrain(content))),
    () =>
      run(
        archive.pipe(
          Stream.pipeThroughChannel(Tar.decode()),
          Stream.runForEach(({ body }) => Stream.runDrain(body)),
        ),
      ),
  )
}

const lines = Array.from({ length: 50_000 }, (_, at) =>
  JSON.stringify({
    status: "Downloading",
    id: String(at),
    progressDetail: { current: at, total: 50_000 },
  }),
).join("\n")
const text = Buffer.from(`${lines}\n`)
const chunks = Array.from({ length: Math.ceil(text.length / 16384) }, (_, at) =>
  text.subarray(at * 16384, (at + 1) * 16384),
)
const source = Stream.fromIterable(chunks).pipe(Stream.rechunk(1))
await compare(
  "50,000 lines of JSON",
  () =>
    run(
      source.pipe(
        Stream.decodeText,
        Stream.splitLines,
        Stream.filter((line) => line.trim() !== ""),
        Stream.mapEffect((line) =>
          Effect.try({ try: (): unknown => JSON.parse(line), catch: () => "no JSON" }),
        ),
        Stream.runDrain,
      ),
    ),
  () =>
    run(
      source.pipe(
        Stream.pipeThroughChannel(Ndjson.decode({ ignoreEmptyLines: true })),
        Stream.runDrain,
      ),
    ),
)

const used = Array.from({ length: 500 }, (_, at) => `10.213.${at >> 5}.${(at & 31) * 8}/29`)
const pool = await run(parsePool("10.213.0.0/16"))
const freeOfEffect = () => {
  const taken = used.map((cidr) => Result.getOrThrow(IpNetwork.fromString(cidr)))
  for (let at = 0; at < 8192; at++) {
    const address = Result.getOrThrow(
      NetAddress.ipv4FromString(`10.213.${at >> 5}.${(at & 31) * 8}`),
    )
    const network = Result.getOrThrow(IpNetwork.make(address, 29))
    if (!taken.some((other) => IpNetwork.overlaps(network, other))) return IpNetwork.format(network)
  }
  return undefined
}
await compare(
  "first free subnet after 500",
  async () => freeSubnets(pool, used, 0).next().value,
  async () => freeOfEffect(),
)

const addresses = Array.from({ length: 2000 }, (_, at) => `10.${at % 256}.${at >> 8}.7`)
const range = parseRange("10.128.0.0/9")
const network = Result.getOrThrow(IpNetwork.fromString("10.128.0.0/9"))
await compare(
  "2,000 addresses in a range (ipaddr.js)",
  async () => addresses.filter((one) => isOpen(one, range === undefined ? [] : [range])).length,
  async () =>
    addresses.filter((one) =>
      IpNetwork.contains(network, Result.getOrThrow(NetAddress.ipFromString(one))),
    ).length,
)

const words = Array.from({ length: 20_000 }, (_, at) => `it's word ${at}`)
await compare(
  "20,000 words quoted",
  async () => words.map(shellWord).join(" ").length,
  async () => Result.getOrThrow(CommandLine.join(words)).length,
)
