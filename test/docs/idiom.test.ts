import { globSync, readFileSync } from "node:fs"
import { assert, describe, it } from "vitest"

const root = new URL("../../", import.meta.url).pathname

/** Timers, clocks and controllers of Node's own, where Effect's have been thought of; each with its reason. */
const allowed: Readonly<Record<string, string>> = {
  "packages/cordon/src/find.ts": "a Promise face over the Promise face of core",
  "packages/core/src/promise/idleClock.ts":
    "Effect's clock itself, with timers that hold no process",
  "packages/core/src/promise/iterable.ts":
    "an AbortSignal is what the calls of the Promise face take",
  "packages/core/src/promise/keepAlive.ts": "a timer is what holds a process",
  "packages/core/src/promise/makeRuntime.ts": "it waits for a call whose runtime may hang",
  "packages/core/src/session-files/smallFiles.ts": "it lets Node's loop go on between files",
  "packages/core/src/session-files/walk.ts": "it lets Node's loop go on between files",
  "packages/driver-docker-remote/src/ssh/ssh.ts": "callbacks of a process and its streams",
  "packages/driver-docker/src/engine/EngineClient.ts":
    "Node's requests are ended by an AbortSignal",
  "packages/driver-docker/src/engine/socketClient.ts": "a request of dockerode that nothing ends",
  "packages/driver-docker/src/init/timers.ts":
    "thousands of short timers on the path of each command",
  "packages/driver-memory/src/scripts/runCommand.ts":
    "the interpreter runs promises, and a signal ends them",
  "packages/driver-memory/src/scripts/stops.ts":
    "the interpreter runs promises, and a signal ends them",
  "packages/egress/src/authority.ts": "dates in certificates are the machine's",
  "packages/egress/src/forward.ts": "Node's streams are ended by an AbortSignal",
  "packages/egress/src/greeting.ts": "events of Node's streams are waited for until a signal",
  "packages/egress/src/scrub.ts": "a stream of Node's passes on what it holds",
  "packages/egress/src/within.ts": "the proxy works in Node's callbacks",
  "packages/ports/src/forward.ts": "Node's streams are ended by an AbortSignal",
  "packages/ports/src/gateway.ts":
    "the gateway works in Node's callbacks; tests give it another clock",
  "packages/slots/src/mastra/processes.ts": "a slot is Promises, as its framework is",
  "packages/slots/src/openai-agents/commands.ts": "a slot is Promises, as its framework is",
  "packages/slots/src/shared/command.ts": "a slot is Promises, as its framework is",
  "packages/slots/src/shared/live.ts": "a slot is Promises, as its framework is",
  "packages/tools/src/adapters/progress.ts": "an async generator for frameworks without Effect",
}

const ofNode =
  /\bDate\.now\(|(?<![.\w])setTimeout\(|(?<![.\w])setInterval\(|node:timers|new AbortController\b/

describe("timers, clocks and cancellation", () => {
  it("come from Effect, except in files that say why not", () => {
    const found = globSync("packages/*/src/**/*.ts", { cwd: root })
      .filter((file) => !file.includes("/generated/"))
      .filter((file) => ofNode.test(readFileSync(`${root}${file}`, "utf8")))
    assert.deepStrictEqual(found.sort(), Object.keys(allowed).sort())
  })
})
