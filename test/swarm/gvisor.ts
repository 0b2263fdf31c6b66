import { SandboxDriver, SandboxName } from "@cordon/core"
import { assert } from "@effect/vitest"
import { Effect } from "effect"
import { type Check, create, exec, nodeOf, out, session } from "./support.ts"

/** A node whose engine runs gVisor, among others that do not. */
export const gvisorSuite = (check: Check) => {
  const limits = { memory: 256 * 1024 ** 2, cpus: 0.5, pids: 64 }

  check("runs sandboxes with gVisor on the node that is labelled for it", (cluster) =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const { runtimes, caveats } = yield* driver.capabilities
      assert.isTrue(caveats.some((caveat) => caveat.startsWith("gvisor: swap is not limited")))
      assert.deepStrictEqual(runtimes.map(({ runtime }) => runtime).sort(), ["gvisor", "runc"])
      const id = yield* create({ runtime: "gvisor", limits, network: "bridge" })
      const host = yield* Effect.promise(() => nodeOf(cluster, id))
      assert.strictEqual(host, cluster.manager.name)
      assert.match(yield* out(id, "dmesg"), /Starting gVisor/)
      assert.match(yield* out(id, "ip -4 -o addr"), /eth0/)
      const other = yield* create({ runtime: "runc", limits })
      assert.notStrictEqual(yield* Effect.promise(() => nodeOf(cluster, other)), host)
    }),
  )

  check("stops, starts and pauses a sandbox with gVisor on its node", () =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const id = yield* create({ runtime: "gvisor", limits })
      const links = yield* out(id, "sed 1,2d /proc/net/dev | cut -d: -f1 | xargs")
      assert.strictEqual(links, "lo")
      yield* exec(id, "echo kept >/tmp/kept; sleep 1000 >/dev/null 2>&1 &")
      yield* driver.stop(id)
      assert.strictEqual((yield* driver.inspect(id)).status, "stopped")
      yield* driver.start(id)
      assert.strictEqual(yield* out(id, "cat /tmp/kept; pgrep sleep | wc -l"), "kept\n0")
      yield* driver.pause(id)
      yield* driver.resume(id)
      const late = yield* exec(id, "sleep 1000", 1)
      assert.isTrue(late.timedOut)
      assert.strictEqual(yield* out(id, "cat /tmp/kept"), "kept")
    }),
  )

  check("keeps the files of a sandbox with gVisor in a snapshot", () =>
    Effect.gen(function* () {
      const driver = yield* SandboxDriver
      const id = yield* create({ runtime: "gvisor", limits })
      // Not in /tmp, which gVisor has in memory where the image has it empty.
      yield* exec(id, "echo kept >/kept; sync")
      const name = SandboxName.make("gvisor")
      const { image } = yield* driver.snapshot(id, name)
      yield* Effect.addFinalizer(() => Effect.ignore(driver.removeSnapshot(session, name)))
      const fork = yield* create({ runtime: "gvisor", limits, image })
      assert.strictEqual(yield* out(fork, "cat /kept"), "kept")
      yield* driver.remove(fork)
    }),
  )
}
