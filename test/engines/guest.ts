import { existsSync } from "node:fs"
import { Sandboxes, type SettingsInput } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { assert, describe, it } from "@effect/vitest"
import Dockerode from "dockerode"
import { Context, Effect, Layer, type Scope } from "effect"
import { vi } from "vitest"
import { skipped } from "../support/skipped.ts"
import { needs } from "../support/skips.ts"

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"
const folder = process.env["CORDON_TEST_GUEST"]

/**
 * Why tests on the machine with cgroup v2 can't run here; undefined where they can, or where CI says
 * that they must.
 */
export const noGuest =
  process.env["CORDON_TEST_GUESTS"] === "required"
    ? undefined
    : folder === undefined || !existsSync(`${folder}/docker.sock`)
      ? needs(
          "a machine of its own",
          "CORDON_TEST_GUEST is not set, as CI does: a machine with cgroup v2",
        )
      : undefined

/** What that machine's kernel lacks, as skipped tests tell it. */
export const guestLacks = {
  wayOut:
    "the kernel of the guest has neither iptables nor nftables: no sandbox has a way out of it",
}

/** One of its engines: the driver, and a client that sees what the engine really holds. */
export const guestEngine = (name: "docker" | "podman" | "rootless") => {
  const socketPath = `${folder}/${name}.sock`
  return {
    socketPath,
    layer: docker({ host: `unix://${socketPath}`, subnetPool: "10.215.0.0/16" }),
    client: new Dockerode({ socketPath }),
  }
}

/** What is so on one of the guest's engines, and is the reason for trying it. */
export const checkGuest = (
  name: string,
  { layer, client }: ReturnType<typeof guestEngine>,
  expected: { readonly cgroupDriver: string; readonly runtime: string; readonly limits: boolean },
) => {
  const check = (title: string, body: () => Effect.Effect<unknown, unknown, Scope.Scope>) =>
    noGuest === undefined ? it.live(title, () => Effect.scoped(body())) : skipped(title, noGuest)
  const sandboxes = (settings: SettingsInput = {}) =>
    Effect.map(
      Layer.build(
        Sandboxes.layer({ image, network: "none", ...settings }).pipe(Layer.provide(layer)),
      ),
      (context) => Context.get(context, Sandboxes),
    )
  const required = { requireLimits: ["memory", "cpus", "pids"] } as const

  describe(`${name}`, () => {
    check("has cgroup v2 and the expected runtime", () =>
      Effect.gen(function* () {
        const info = yield* Effect.promise(() => client.info())
        const { CgroupVersion, CgroupDriver, DefaultRuntime } = info
        assert.deepStrictEqual([CgroupVersion, CgroupDriver], ["2", expected.cgroupDriver])
        assert.strictEqual(DefaultRuntime, expected.runtime)
      }),
    )

    if (expected.limits) {
      check("enforces the limits that its capabilities list", () =>
        Effect.gen(function* () {
          const host = yield* sandboxes({
            ...required,
            limits: { memory: "64MiB", cpus: 0.5, pids: 32 },
          })
          const { enforced } = yield* host.capabilities
          assert.deepInclude(enforced, { memory: true, cpus: true, pids: true })
          const session = yield* host.session(`guest-${process.pid}`)
          const { stdout } = yield* (yield* session.create()).run(
            "cd /sys/fs/cgroup && cat cpu.max memory.max memory.swap.max pids.max",
          )
          assert.strictEqual(stdout, `50000 100000\n${64 * 1024 ** 2}\n0\n32\n`)
        }),
      )
    } else {
      check(
        "reports that it enforces no limits, and why, and refuses sandboxes that require them",
        () =>
          Effect.gen(function* () {
            const { enforced, caveats } = yield* (yield* sandboxes()).capabilities
            assert.deepInclude(enforced, { memory: false, cpus: false, pids: false })
            assert.isTrue(caveats.some((caveat) => /limits nothing: .*rootless/.test(caveat)))
            const session = yield* (yield* sandboxes(required)).session(`guest-${process.pid}`)
            const error = yield* Effect.flip(session.create())
            assert.strictEqual(error._tag, "LimitsNotEnforced")
            assert.deepStrictEqual(yield* session.list, [])
          }),
      )
    }

    skipped(
      "refuses an image that its registry does not have",
      "the guest has no way to a registry",
    )
  })
}

// It has one processor, for three engines.
vi.setConfig({ testTimeout: 180_000, hookTimeout: 180_000 })

// The guest can't reach it: what pulls from it is skipped by the tests that read this.
delete process.env["CORDON_TEST_REGISTRY"]
