import {
  closeSync,
  fstatSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  readSync,
} from "node:fs"
import type { PromiseSandbox } from "@cordon/core"
import Dockerode from "dockerode"
import { assert } from "vitest"
import { socketPath } from "../support/docker.ts"
import { keys } from "./services.ts"

/** The part of a key that stands in Basic credentials however long the name before it is. */
const inBasic = (key: string) => Buffer.from(`:${key}`).toString("base64").slice(2, -4)
const needles = Object.values(keys).flatMap((key) => [key, inBasic(key)])
// It stands wherever a placeholder does: what is searched is what is there.
const placeholder = "cordon_"

/** Looks for words in what comes piece by piece. */
class Search {
  readonly found = new Set<string>()
  #last: Buffer = Buffer.alloc(0)

  look(piece: Buffer): void {
    const all = Buffer.concat([this.#last, piece])
    for (const needle of [...needles, placeholder]) if (all.includes(needle)) this.found.add(needle)
    this.#last = Buffer.from(all.subarray(-100))
  }
}

const piece = Buffer.alloc(4 * 1024 * 1024)

/** Reads a part of a file by one small buffer. */
const readPart = (search: Search, file: number, from: bigint, to: bigint) => {
  for (let at = from; at < to; ) {
    const size = to - at < BigInt(piece.length) ? Number(to - at) : piece.length
    let count = 0
    try {
      count = readSync(file, piece, 0, size, at)
    } catch {
      // A page that is not to be read ends its region.
    }
    if (count === 0) return
    search.look(piece.subarray(0, count))
    at += BigInt(count)
  }
}

const withFile = (path: string, read: (file: number) => void) => {
  const file = openSync(path, "r")
  try {
    read(file)
  } finally {
    closeSync(file)
  }
}

/** Reads the memory of a process, region by region, as the host sees it. */
const searchProcess = (search: Search, pid: number) =>
  withFile(`/proc/${pid}/mem`, (memory) => {
    for (const line of readFileSync(`/proc/${pid}/maps`, "latin1").split("\n")) {
      const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) r/.exec(line) ?? []
      // The kernel's own pages are not to be read by this way; a file in memory is read as a file.
      if (from === undefined || to === undefined || /\[v|\/memfd:/.test(line)) continue
      readPart(search, memory, BigInt(`0x${from}`), BigInt(`0x${to}`))
    }
  })

/** Reads what gVisor keeps the memory of a sandbox's processes in: a file that its own process holds. */
const searchGvisor = (search: Search, pid: number) => {
  const folder = `/proc/${pid}/fd`
  const files = readdirSync(folder).filter((name) =>
    readlinkSync(`${folder}/${name}`).startsWith("/memfd:runsc-memory"),
  )
  assert.lengthOf(files, 1)
  for (const name of files) {
    withFile(`${folder}/${name}`, (file) => {
      readPart(search, file, 0n, BigInt(fstatSync(file).size))
    })
  }
  assert.isTrue(search.found.has(placeholder))
  searchProcess(search, pid)
}

/** Words that the memory of all processes of a container has. */
const searchMemory = async (container: Dockerode.Container, isGvisor: boolean) => {
  const search = new Search()
  if (isGvisor) {
    const { State } = await container.inspect()
    searchGvisor(search, State.Pid)
    return search
  }
  const { Processes, Titles } = await container.top()
  const column = Titles.indexOf("PID")
  for (const row of Processes) searchProcess(search, Number(row[column]))
  return search
}

const searchBytes = (bytes: Buffer) => {
  const search = new Search()
  search.look(bytes)
  return search
}

/** Where a key is found: in the engine's answers, the sandbox's files, its environment and what its processes hold. */
export const leaksOf = async (sandbox: PromiseSandbox): Promise<ReadonlyArray<string>> => {
  const engine = new Dockerode({ socketPath })
  const container = engine.getContainer(sandbox.info.instanceId)
  const inspected = await container.inspect()
  // Process 1 shows its own to nobody inside.
  const shown = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; true"
  const environment = await sandbox.run(shown, { user: "root" })
  const text = (value: unknown) => searchBytes(Buffer.from(JSON.stringify(value)))
  const files = new Search()
  for await (const bytes of await container.export()) files.look(Buffer.from(bytes))
  const places: Record<string, Search> = {
    inspect: text(inspected),
    image: text(await engine.getImage(inspected.Image).inspect()),
    history: text(await engine.getImage(inspected.Image).history()),
    list: text(await engine.listContainers({ all: true })),
    environment: searchBytes(Buffer.from(environment.stdout, "latin1")),
    files,
    memory: await searchMemory(container, sandbox.info.runtime === "gvisor"),
  }
  for (const place of ["environment", "memory"]) {
    assert.isTrue(places[place]?.found.has(placeholder), place)
  }
  assert.isTrue(JSON.stringify(inspected).includes(sandbox.id))
  // Not even the placeholders get into the sandbox's configuration, which its snapshots keep.
  assert.isFalse(places["inspect"]?.found.has(placeholder))
  return Object.entries(places).flatMap(([place, { found }]) =>
    needles.filter((needle) => found.has(needle)).map((needle) => `${needle} in ${place}`),
  )
}
