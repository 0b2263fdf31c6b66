import type { BackgroundProcess } from "@cordon/core"
import { Effect, Stream } from "effect"
import { until } from "../../support/effects.ts"

/** Waits until a process has written this to its standard output, and no more. */
export const writes = (process: BackgroundProcess, text: string) =>
  until(Effect.map(process.logs(), ({ stdout }) => stdout === text))

/** All that following a process yields, from its start to its end: its output, and how much of it was lost. */
export const heard = (process: BackgroundProcess) =>
  Effect.map(Stream.runCollect(process.follow()), (events) => {
    const all = (tag: "Stdout" | "Stderr") =>
      Buffer.concat(events.flatMap((event) => (event._tag === tag ? [event.bytes] : []))).toString()
    const lost = events.flatMap((event) => (event._tag === "Lost" ? [event.bytes] : []))
    const last = events.at(-1)
    return {
      stdout: all("Stdout"),
      stderr: all("Stderr"),
      lost: lost.reduce((sum, bytes) => sum + bytes, 0),
      exitCode: last?._tag === "Exit" ? last.exitCode : undefined,
    }
  })
