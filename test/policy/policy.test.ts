import type { CreateSandboxesOptions } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "@effect/vitest"
import { image } from "../docker/support.ts"
import { noGvisor } from "../support/docker.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"
import { secretService } from "./secretService.ts"
import { type Wish, ways } from "./ways.ts"

/** What an operator has set: little. */
const set = {
  network: "none",
  limits: { memory: "96MiB", cpus: 0.5, pids: 64 },
  image,
} satisfies Partial<CreateSandboxesOptions>

const tooMuch = (port: number): ReadonlyArray<readonly [Wish, RegExp]> => [
  [{ network: "bridge" }, /network "bridge" is not allowed.* Allowed: "none"\./],
  [{ network: "internal" }, /network "internal" is not allowed/],
  [{ memory: "97MiB" }, /97 MiB is not allowed.* at most 96 MiB/],
  [{ cpus: 1 }, /1 core is not allowed.* at most 0\.5 cores/],
  [{ pids: 30_000 }, /30000 processes is not allowed.* at most 64/],
  [{ memory: "23GiB", cpus: 2, pids: 30_000, network: "bridge" }, /is not allowed/],
  ...[
    `127.0.0.1:${port}/team/app:1`,
    `localhost:${port}/team/app:1`,
    `LOCALHOST:${port}/team/app:1`,
    `2130706433:${port}/team/app:1`,
    `127.1:${port}/team/app:1`,
    "127.0.0.1/team/app:1",
    "localhost/team/app:1",
    "registry.local/team/app:1",
    `sha256:${"0".repeat(64)}`,
    "0".repeat(64),
    "0123456789ab",
  ].map((image): [Wish, RegExp] => [{ image }, /image .* is not allowed.* images of docker\.io, /]),
]

const drivers = [
  {
    name: "memory",
    driver: () => memory(),
    runtime: "runc",
    weaker: undefined,
    missing: undefined,
  },
  {
    name: "docker",
    driver: () => docker(),
    runtime: "gvisor",
    weaker: "runc",
    missing: noGvisor,
  },
] as const

for (const { name, driver, runtime, weaker, missing } of drivers) {
  for (const [way, through] of Object.entries(ways)) {
    describe(`the operator's settings on ${name}`, () => {
      const title = `limit what a model or program may ask for through ${way}`
      if (missing !== undefined) return skipped(title, missing)
      it(title, async () => {
        using service = await secretService()
        const sessionId = freshSessionId()
        await through({ driver: driver(), sessionId, runtime, ...set }, async (ask) => {
          const wishes: ReadonlyArray<readonly [Wish, RegExp]> = [
            ...tooMuch(service.port),
            ...(weaker === undefined
              ? []
              : [[{ runtime: weaker }, /Allowed: "gvisor", "kata"\./] as const]),
          ]
          for (const [wish, message] of wishes) {
            const { ok, text } = await ask(wish)
            assert.isFalse(ok, `${JSON.stringify(wish)}: ${text}`)
            assert.match(text, message)
            assert.notMatch(text, /s3cret/)
          }
          assert.deepStrictEqual(service.asked, [], "a service of the host was asked")
          // What was set, and less, is had as ever.
          const given = await ask({ memory: "64MiB", network: "none" })
          assert.isTrue(given.ok, given.text)
        })
      }, 120_000)
    })
  }
}
