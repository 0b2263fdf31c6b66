import { dockerRemote } from "@cordon/driver-docker-remote"
import { assert, describe, it } from "@effect/vitest"
import { afterAll } from "vitest"
import { driverContract, featureContract } from "../contract/index.ts"
import { runOnlyOn } from "../e2e/stage.ts"
import { noNewerEngines, startEngine } from "../support/engineContainer.ts"
import { skipped } from "../support/skipped.ts"

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"
const gitImage = process.env["CORDON_TEST_GIT_IMAGE"]

/**
 * All that holds on every engine, on the newest that Debian has: over mutual TLS, and without the old
 * versions of the API that later engines refuse.
 */
export const onNewestEngine = async (
  store: "overlay2" | "io.containerd.snapshotter.v1",
  args: ReadonlyArray<string> = [],
): Promise<void> => {
  const engine =
    noNewerEngines === undefined
      ? await startEngine({
          tls: true,
          engine: "newest",
          args,
          images: gitImage === undefined ? [] : [gitImage],
        })
      : undefined
  afterAll(() => engine?.stop())

  const name = `docker-remote on Debian's newest engine, images in ${store}`
  const layer = dockerRemote({
    host: `tcp://localhost:${engine?.port}`,
    ...(engine?.tls === undefined ? {} : { tls: engine.tls }),
  })
  const options = { layer, image, unavailable: noNewerEngines }

  describe(name, () => {
    const title = "is the engine that these tests require"
    if (noNewerEngines !== undefined) return skipped(title, noNewerEngines)
    it(title, async () => {
      const { client } = engine ?? assert.fail("no engine was started")
      const { Version, MinAPIVersion } = await client.version()
      assert.isAtLeast(Number.parseInt(Version, 10), 28)
      assert.strictEqual(MinAPIVersion, "1.44")
      const { Driver, DriverStatus } = await client.info()
      assert.include([Driver, ...DriverStatus.flat()], store)
    })
  })

  driverContract(name, { ...options, runs: 5 })
  featureContract(name, { ...options, gitImage, machine: engine?.machine })

  // The tools' tests read it: another engine reaches the registry by another way.
  if (engine?.registry !== undefined) process.env["CORDON_TEST_REGISTRY"] = engine.registry
  runOnlyOn(name, { kind: "docker", layer, missing: noNewerEngines, client: engine?.client })
  await import("../e2e/tools.test.ts")
}
