import { execFileSync } from "node:child_process"
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { Sandboxes } from "@cordon/core"
import * as docker from "@cordon/driver-docker"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer } from "effect"
import { noDockerd, startDockerd } from "../support/dockerd.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"
import { needs } from "../support/skips.ts"
import { engine, onEngine, withSession } from "./support.ts"

const busybox = process.env["CORDON_TEST_BUSYBOX_IMAGE"]

/** A Btrfs of its own in a file; undefined with the reason where there can be none. */
const mountBtrfs = () => {
  const folder = mkdtempSync(join(tmpdir(), "cordon-btrfs-"))
  const file = join(folder, "image")
  const at = join(folder, "at")
  try {
    writeFileSync(file, "")
    truncateSync(file, 800 * 1024 ** 2)
    execFileSync("mkfs.btrfs", ["-q", file], { stdio: "pipe" })
    execFileSync("mkdir", [at])
    execFileSync("mount", ["-o", "loop", file, at], { stdio: "pipe" })
    return {
      at,
      release: () => {
        execFileSync("umount", [at])
        rmSync(folder, { recursive: true, force: true })
      },
    }
  } catch (error) {
    rmSync(folder, { recursive: true, force: true })
    return String(error).split("\n")[0] ?? "unknown"
  }
}

describe("limits of disk space", () => {
  onEngine(
    "are recorded and reported as not enforced when the storage driver can't enforce them",
    () =>
      withSession((session, sandboxes) =>
        Effect.gen(function* () {
          const { Driver } = yield* Effect.promise(() => engine.info())
          const { enforced, caveats } = yield* sandboxes.capabilities
          const able = Driver === "btrfs" || Driver === "zfs"
          assert.strictEqual(enforced.disk, able)
          if (!able) {
            assert.include(caveats.join(), "does not enforce the limit of disk")
          }
          const sandbox = yield* session.create({ limits: { disk: "64MiB" } })
          assert.strictEqual(sandbox.info.limits.disk, 64 * 1024 ** 2)
          assert.strictEqual((yield* sandbox.inspect).limits.disk, 64 * 1024 ** 2)
        }),
      ),
  )

  const name = "are enforced where the storage driver can (Btrfs)"
  if (noDockerd !== undefined || busybox === undefined) {
    skipped(
      name,
      noDockerd ?? needs("an image", "CORDON_TEST_BUSYBOX_IMAGE is not set, as CI does"),
    )
    return
  }
  it.live(name, (context) =>
    Effect.gen(function* () {
      const mounted = yield* Effect.acquireRelease(Effect.sync(mountBtrfs), (mounted) =>
        Effect.sync(() => typeof mounted === "string" || mounted.release()),
      )
      if (typeof mounted === "string") {
        return context.skip(`no Btrfs can be mounted here: ${mounted}`)
      }
      const daemon = yield* Effect.acquireRelease(
        Effect.promise(() =>
          startDockerd({ liveRestore: false, image: busybox, from: engine, dataRoot: mounted.at }),
        ),
        (daemon) => Effect.promise(() => daemon[Symbol.asyncDispose]()),
      )
      yield* Effect.gen(function* () {
        const sandboxes = yield* Sandboxes
        const { enforced, caveats } = yield* sandboxes.capabilities
        assert.isTrue(enforced.disk)
        assert.notInclude(caveats.join(), "limit of disk")
        const session = yield* sandboxes.session(freshSessionId())
        const limits = { disk: "32MiB" }
        const sandbox = yield* session.create({ image: busybox, network: "none", limits })
        const fits = yield* sandbox.exec("dd if=/dev/urandom of=/a bs=1M count=16 && sync")
        assert.strictEqual(fits.exitCode, 0, fits.stderr)
        const over = yield* sandbox.exec("dd if=/dev/urandom of=/b bs=1M count=64 && sync")
        assert.notStrictEqual(over.exitCode, 0)
        assert.match(over.stderr, /quota exceeded|no space left/i)
        // Another one has its own.
        const other = yield* session.create({ image: busybox, network: "none" })
        const free = yield* other.exec("dd if=/dev/urandom of=/b bs=1M count=64 && sync")
        assert.strictEqual(free.exitCode, 0, free.stderr)
        yield* Effect.forEach([sandbox, other], (made) => made.remove)
      }).pipe(
        Effect.provide(
          Sandboxes.layer().pipe(
            Layer.provideMerge(docker.layer({ host: `unix://${daemon.socketPath}` })),
          ),
        ),
      )
    }).pipe(Effect.scoped),
  )
})
