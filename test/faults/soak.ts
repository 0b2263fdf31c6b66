// Many sandboxes, several worker processes, random work, and workers that are killed in the middle:
//   pnpm soak [--minutes 2] [--sandboxes 200] [--workers 4] [--seed 1]
// Prints what was done and what failed, and fails if anything was lost or is left over.
import { parseArgs } from "node:util"
import { LeaseStore, SandboxDriver } from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import { postgres } from "@cordon/lease-store-postgres"
import Dockerode from "dockerode"
import { Duration, Effect, Layer } from "effect"
import { noEngine, socketPath } from "../support/docker.ts"
import { noPostgres, startPostgres } from "../support/postgres.ts"
import { type Answer, startWorker, type Worker } from "./protocol.ts"

const { values } = parseArgs({
  options: {
    minutes: { type: "string", default: "2" },
    sandboxes: { type: "string", default: "200" },
    workers: { type: "string", default: "4" },
    seed: { type: "string", default: "1" },
  },
})
const minutes = Number(values.minutes)
const slotCount = Number(values.sandboxes)
const workerCount = Number(values.workers)

const missing = noEngine ?? noPostgres
if (missing !== undefined) {
  console.error(`The soak needs a Docker Engine and PostgreSQL: ${missing}`)
  process.exit(1)
}

const image =
  process.env["CORDON_TEST_BUSYBOX_IMAGE"] ?? process.env["CORDON_TEST_IMAGE"] ?? "busybox:latest"
const sessionId = `soak-${process.pid}-${Date.now()}`
const terms = { idleTimeout: 20_000, removeTimeout: 90_000 }
// As many commands at a time, for each worker.
const lanes = 6
const killEvery = 12_000

// The same seed chooses the same work, as far as the machine lets it run in the same order.
let state = Number(values.seed) >>> 0
const random = () => {
  state = (Math.imul(state, 1664525) + 1013904223) >>> 0
  return state / 2 ** 32
}
const pick = <A>(items: ReadonlyArray<A>): A => {
  const item = items[Math.floor(random() * items.length)]
  if (item === undefined) throw new Error("nothing to pick from")
  return item
}

const counts = new Map<string, number>()
const errors = new Map<string, number>()
const count = (map: Map<string, number>, key: string) => map.set(key, (map.get(key) ?? 0) + 1)
/** What must never happen, in words. */
const wrongs: Array<string> = []

const engine = new Dockerode({ socketPath })
const server = await startPostgres()
const database = await server.createDatabase()
const open = (n: number) =>
  startWorker({
    database,
    socketPath,
    image,
    sessionId,
    ...terms,
    // Networks make creating three times as slow: one worker's have them.
    network: n === 0 ? "internal" : "none",
    subnetPool: "10.215.0.0/16",
  })

const workers: Array<Worker> = []
for (let n = 0; n < workerCount; n++) workers.push(await open(n))

interface Slot {
  readonly name: string
  /** What its file `kept` says; undefined where there is no sandbox, as far as is known. */
  token: string | undefined
  /** Whether it is being created, stopped, started or removed. */
  changing: boolean
  /** Grows with every change, so that what overlaps one is not judged. */
  version: number
}
const slots: Array<Slot> = Array.from({ length: slotCount }, (_, n) => ({
  name: `box-${n}`,
  token: undefined,
  changing: false,
  version: 0,
}))

type Order = Parameters<Worker["order"]>[0]
const order = async (worker: Worker, command: Order): Promise<Answer | "killed"> => {
  const answer = await worker.order(command)
  count(counts, command.op)
  if (answer === "killed") count(errors, `${command.op}: its worker was killed`)
  else if ("error" in answer) {
    count(errors, `${command.op}: ${answer.error}`)
    if (answer.error === "defect") wrongs.push(`${command.op} died: ${answer.message}`)
  }
  return answer
}
const succeeded = (answer: Answer | "killed"): answer is Answer & { readonly ok: string } =>
  answer !== "killed" && "ok" in answer
const errorOf = (answer: Answer | "killed") =>
  answer !== "killed" && "error" in answer ? answer.error : undefined

const create = async (worker: Worker, slot: Slot) => {
  const { name } = slot
  const made = await order(worker, { op: "create", name })
  if (errorOf(made) === "SandboxNameTaken") {
    // Its creator was killed after it was made, or before it could be cleared away.
    await order(worker, { op: "remove", name })
    return
  }
  if (!succeeded(made)) return
  const token = made.ok
  const script = `printf %s ${token} > kept`
  if (succeeded(await order(worker, { op: "exec", name, script }))) slot.token = token
}

const exec = async (worker: Worker, slot: Slot) => {
  const { name, token, version } = slot
  const answer = await order(worker, { op: "exec", name, script: "cat kept; : >> used" })
  if (slot.version !== version) return
  if (succeeded(answer) && answer.ok !== token) {
    wrongs.push(`${name} had ${answer.ok} in its file, not ${token}`)
  }
  const error = errorOf(answer)
  // Reaped, since nobody used it; anything else has to be there the next time.
  if (error === "SandboxNotFound" || error === "LeaseLost") slot.token = undefined
}

const changing = async (slot: Slot, change: () => Promise<unknown>) => {
  slot.changing = true
  slot.version += 1
  await change()
  slot.version += 1
  slot.changing = false
}

const step = async (worker: Worker) => {
  const slot = pick(slots)
  const { name } = slot
  if (slot.changing) {
    // Somebody else works in what is just being changed: whatever comes of it, nothing may break.
    await order(worker, { op: "exec", name, script: "true" })
  } else if (slot.token === undefined) {
    await changing(slot, () => create(worker, slot))
  } else if (random() < 0.9) {
    await exec(worker, slot)
  } else {
    await changing(slot, async () => {
      if (random() < 0.5) {
        slot.token = undefined
        await order(worker, { op: "remove", name })
      } else if (succeeded(await order(worker, { op: "stop", name }))) {
        await order(worker, { op: "start", name })
      }
    })
  }
}

const end = Date.now() + minutes * 60_000
const lane = async (n: number) => {
  while (Date.now() < end) {
    const worker = workers[n]
    if (worker === undefined || worker.process.signalCode !== null) {
      await new Promise((resolve) => setTimeout(resolve, 100))
      continue
    }
    await step(worker)
  }
}

/** The first worker is never killed: its memory has to level off. */
const memory: Array<{ readonly heap: number; readonly rss: number }> = []
let most = 0
const watch = async () => {
  while (Date.now() < end) {
    const [keeper] = workers
    const answer = await keeper?.order({ op: "memory" })
    if (answer !== undefined && succeeded(answer)) {
      const { heapUsed, external, rss } = JSON.parse(answer.ok)
      memory.push({ heap: heapUsed + external, rss })
    }
    most = Math.max(most, slots.filter(({ token }) => token !== undefined).length)
    await new Promise((resolve) => setTimeout(resolve, Math.max(1000, (minutes * 60_000) / 60)))
  }
}

let kills = 0
const killer = async () => {
  while (Date.now() + killEvery < end) {
    await new Promise((resolve) => setTimeout(resolve, killEvery))
    const n = 1 + Math.floor(random() * (workerCount - 1))
    const victim = workers[n]
    if (victim === undefined) return
    victim.signal("SIGKILL")
    await victim.ended
    kills += 1
    workers[n] = await open(n)
  }
}

const started = Date.now()
await Promise.all([
  ...workers.flatMap((_, n) => Array.from({ length: lanes }, () => lane(n))),
  watch(),
  ...(workerCount > 1 ? [killer()] : []),
])
const seconds = (Date.now() - started) / 1000

// Everybody dies in the middle of whatever it is that he does, and one new process clears up.
for (const worker of workers) worker.signal("SIGKILL")
await Promise.all(workers.map((worker) => worker.ended))
const last = await open(0)
const cleaning = Date.now()
const left = Effect.gen(function* () {
  const driver = yield* SandboxDriver
  const store = yield* LeaseStore
  // As the reaper does with those that are 15 minutes old.
  const swept = yield* driver.sweep(Duration.seconds(20))
  const leases = (yield* store.list((yield* driver.capabilities).hostId)).length
  return { swept: swept.length, leases }
})
let swept = 0
let leaks = { containers: 0, networks: 0, leases: 0 }
for (;;) {
  const { swept: now, leases } = await Effect.runPromise(
    left.pipe(
      Effect.provide(
        Layer.merge(docker.layer({ host: `unix://${socketPath}` }), postgres({ url: database })),
      ),
      Effect.scoped,
    ),
  )
  swept += now
  const filters = { label: ["dev.cordon.spec"] }
  leaks = {
    containers: (await engine.listContainers({ all: true, filters })).length,
    networks: (await engine.listNetworks({ filters })).length,
    leases,
  }
  const total = leaks.containers + leaks.networks + leaks.leases
  if (total === 0 || Date.now() - cleaning > 240_000) break
  await new Promise((resolve) => setTimeout(resolve, 2000))
}
await last[Symbol.asyncDispose]()
await server[Symbol.asyncDispose]()

const median = (numbers: ReadonlyArray<number>) =>
  numbers.toSorted((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
const third = Math.floor(memory.length / 3)
const parts = [memory.slice(0, third), memory.slice(third, 2 * third), memory.slice(2 * third)]
const heaps = parts.map((part) => median(part.map(({ heap }) => heap)))
const rss = parts.map((part) => median(part.map((sample) => sample.rss)))
const mib = (bytes: number) => `${(bytes / 1024 ** 2).toFixed(0)} MiB`
const [, middle = 0, final = 0] = heaps
// A leak of one kilobyte for each of some thousand operations would show.
const grows = memory.length >= 9 && final > middle * 1.25 + 4 * 1024 ** 2

const sum = (map: Map<string, number>) => [...map.values()].reduce((all, n) => all + n, 0)
const table = (title: string, map: Map<string, number>) => {
  console.log(`\n| ${title} | times |\n|---|---:|`)
  for (const [key, n] of [...map].sort(([a], [b]) => a.localeCompare(b))) {
    console.log(`| ${key} | ${n} |`)
  }
}
console.log(
  `${workerCount} workers, ${slotCount} sandboxes (${most} at once at most), ${seconds.toFixed(0)} s, ${kills} workers killed, seed ${values.seed}`,
)
table("operation", counts)
table("error", errors)
console.log(`
| in all | |
|---|---:|
| operations | ${sum(counts)} |
| errors | ${sum(errors)} |
| containers left over | ${leaks.containers} |
| networks left over | ${leaks.networks} |
| leases left over | ${leaks.leases} |
| networks of killed workers that the sweep took | ${swept} |
| files or sandboxes lost, calls that died | ${wrongs.length} |
| heap of a worker, by thirds of the time | ${heaps.map(mib).join(", ")} |
| resident memory of it | ${rss.map(mib).join(", ")} |
| cleared up after the last kill in | ${((Date.now() - cleaning) / 1000).toFixed(0)} s |
`)
for (const wrong of wrongs.slice(0, 20)) console.error(`wrong: ${wrong}`)
if (leaks.containers + leaks.networks + leaks.leases > 0) console.error("wrong: something leaked")
if (grows) console.error("wrong: the memory of a worker keeps growing")
if (most < slotCount / 2) console.error(`note: this machine came to ${most} sandboxes only`)
process.exit(
  wrongs.length === 0 &&
    sum(counts) > 0 &&
    !grows &&
    leaks.containers + leaks.networks + leaks.leases === 0
    ? 0
    : 1,
)
