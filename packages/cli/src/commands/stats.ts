import { formatMemory, SandboxDriver, type SandboxInfo, type SandboxStats } from "@cordon/core"
import { Effect, Schema } from "effect"
import { Argument, Command, Flag } from "effect/cli"
import { findSandbox, sandboxArgument, sessionFlag, sessionOf } from "../find.ts"
import { common, connected } from "../flags.ts"
import { ending, print, printJson, table, write } from "../output.ts"

const Pair = <A extends string, B extends string>(first: A, second: B) =>
  Schema.optional(Schema.Record(Schema.Literals([first, second]), Schema.Finite))

/** The output of `cordon stats --json`. Values that a host does not report are left out. */
export const StatsReport = Schema.Array(
  Schema.Struct({
    /** The sandbox's ID. */
    id: Schema.String,
    /** The sandbox's name within its session. */
    name: Schema.String,
    /** Percent of one core, between two readings a second apart: 150 is one and a half cores. */
    cpuPercent: Schema.optional(Schema.Finite),
    /** Bytes. */
    memory: Schema.optional(Schema.Finite),
    /** Bytes. */
    memoryLimit: Schema.Finite,
    /** Processes and threads that run now. */
    pids: Schema.optional(Schema.Finite),
    /** The most processes and threads that it may have. */
    pidsLimit: Schema.Finite,
    /** Bytes since it was started. */
    network: Pair("received", "sent"),
    /** Bytes since it was started. */
    disk: Pair("read", "written"),
  }),
)
type Row = (typeof StatsReport.Type)[number]

type Readings = ReadonlyMap<string, SandboxStats>

/** The usage of each running sandbox. Sandboxes that do not answer, or have ended since, are left out. */
const readAll = (driver: SandboxDriver["Service"], boxes: ReadonlyArray<SandboxInfo>) =>
  Effect.forEach(
    boxes,
    ({ id }) =>
      driver.stats(id).pipe(
        Effect.map((stats) => [[id, stats] as const]),
        Effect.catchTag(["SandboxNotFound", "SandboxNotRunning"], () => Effect.succeed([])),
      ),
    { concurrency: 8 },
  ).pipe(Effect.map((found): Readings => new Map(found.flat())))

const cpuPercent = (before: SandboxStats | undefined, now: SandboxStats) => {
  if (before?.cpuTime === undefined || now.cpuTime === undefined) return undefined
  const elapsed = now.readAt.getTime() - before.readAt.getTime()
  return elapsed > 0
    ? Math.max(0, Math.round(((now.cpuTime - before.cpuTime) / elapsed) * 1000) / 10)
    : undefined
}

const rowOf = (box: SandboxInfo, before: SandboxStats | undefined, now: SandboxStats): Row => {
  const { memory, pids, network, disk } = now
  return {
    id: box.id,
    name: box.name,
    cpuPercent: cpuPercent(before, now),
    memory,
    memoryLimit: box.limits.memory,
    pids,
    pidsLimit: box.limits.pids,
    network,
    disk,
  }
}

const unknown = "-"
const size = (bytes: number | undefined) => (bytes === undefined ? unknown : formatMemory(bytes))
const heading = ["NAME", "CPU", "MEMORY", "PIDS", "NETWORK IN / OUT", "DISK READ / WRITTEN", "ID"]
const cellsOf = (row: Row) => [
  row.name,
  row.cpuPercent === undefined ? unknown : `${row.cpuPercent.toFixed(1)}%`,
  `${size(row.memory)} / ${size(row.memoryLimit)}`,
  `${row.pids ?? unknown} / ${row.pidsLimit}`,
  `${size(row.network?.received)} / ${size(row.network?.sent)}`,
  `${size(row.disk?.read)} / ${size(row.disk?.written)}`,
  row.id,
]

// Moves the cursor home and clears the screen, so that the next table replaces the last one.
const clear = "\u001b[H\u001b[2J"

export const stats = Command.make(
  "stats",
  {
    ...common,
    session: sessionFlag,
    stream: Flag.Boolean("stream").pipe(
      Flag.withDescription("Again each second; --no-stream and --json tell once"),
      Flag.withDefault(true),
    ),
    sandboxes: sandboxArgument.pipe(Argument.atLeast(0)),
  },
  ({ host, json, session, stream, sandboxes }) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const choose =
        sandboxes.length === 0
          ? Effect.flatMap(sessionOf(session), (key) => driver.list(key))
          : Effect.forEach(sandboxes, (reference) => findSandbox(reference, session))
      const isRunning = ({ status }: SandboxInfo) => status === "running"
      let boxes = (yield* choose).filter(isRunning)
      let before = yield* readAll(driver, boxes)
      for (;;) {
        yield* Effect.sleep("1 second")
        const now = yield* readAll(driver, boxes)
        const rows = boxes.flatMap((box) => {
          const stats = now.get(box.id)
          return stats === undefined ? [] : [rowOf(box, before.get(box.id), stats)]
        })
        if (json) {
          yield* printJson(StatsReport, rows)
          return 0
        }
        if (stream && process.stdout.isTTY) yield* write(process.stdout, clear)
        yield* print(table([heading, ...rows.map(cellsOf)]))
        if (!stream) return 0
        before = now
        boxes = (yield* choose).filter(isRunning)
      }
    }).pipe(Effect.provide(connected(host)), ending),
).pipe(Command.withDescription("Tells what running sandboxes use, all of them by default"))
