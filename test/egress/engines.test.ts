import { docker } from "@cordon/driver-docker"
import { dockerRemote } from "@cordon/driver-docker-remote"
import { afterAll, describe, it } from "vitest"
import { noEngine, noGvisor } from "../support/docker.ts"
import { noEngineContainers, startEngine } from "../support/engineContainer.ts"
import { noPodman, podman } from "../support/podman.ts"
import { noPostgres } from "../support/postgres.ts"
import { skipped } from "../support/skipped.ts"
import { transparent, transparentDatabase } from "./transparent.ts"
import { wayOut } from "./wayOut.ts"

const engine = noEngineContainers === undefined ? await startEngine({ tls: true }) : undefined
afterAll(() => engine?.stop())

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"
const { host, ulimits } = podman

const onEachEngine = (title: string, run: typeof wayOut, missing?: string) =>
  describe(title, () => {
    const check = (
      name: string,
      lack: string | undefined,
      options: () => Parameters<typeof wayOut>[0],
    ) => {
      const why = lack ?? missing
      if (why === undefined) it(name, () => run(options()), 120_000)
      else skipped(name, why)
    }

    check("with runc", noEngine, () => ({ driver: docker(), image }))
    check("with gVisor", noEngine ?? noGvisor, () => ({
      driver: docker(),
      image,
      runtime: "gvisor",
    }))
    check("on Podman", noPodman, () => ({
      driver: docker({ host, ulimits, subnetPool: "10.214.0.0/16" }),
      image: podman.image,
    }))
    check("on a remote engine over mutual TLS", noEngineContainers, () => ({
      driver: dockerRemote({
        host: `tcp://localhost:${engine?.port}`,
        ...(engine?.tls === undefined ? {} : { tls: engine.tls }),
      }),
      image,
    }))
  })

onEachEngine(
  "a sandbox reaches what its current egress rules allow, and nothing without a program",
  wayOut,
)
onEachEngine("programs that use no proxy reach what transparent rules allow, by name", transparent)
onEachEngine(
  "a PostgreSQL client that uses no proxy reaches its server by TLS",
  transparentDatabase,
  noPostgres,
)
