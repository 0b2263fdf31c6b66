import { DockerEngine } from "@cordon/driver-docker"
import { dockerRemote, layerEngine, type TlsOptions } from "@cordon/driver-docker-remote"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { afterAll } from "vitest"
import { driverContract, partsContract } from "../contract/index.ts"
import { runOnlyOn } from "../e2e/stage.ts"
import { makeAuthority } from "../support/certificates.ts"
import { noEngineContainers, startEngine } from "../support/engineContainer.ts"
import { skipped } from "../support/skipped.ts"

const engine = noEngineContainers === undefined ? await startEngine({ tls: true }) : undefined
afterAll(() => engine?.stop())

const name = "docker-remote over mutual TLS"
const layer = dockerRemote({
  host: `tcp://localhost:${engine?.port}`,
  ...(engine?.tls === undefined ? {} : { tls: engine.tls }),
})

driverContract(name, {
  layer,
  image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
  unavailable: noEngineContainers,
  runs: 5,
})

const smallBoxes = {
  layer,
  image: process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04",
  unavailable: noEngineContainers,
  settings: { limits: { memory: "64MiB", cpus: 0.5 } },
} as const
partsContract(`Lasting shells: ${name}`, ["shells"], smallBoxes)
partsContract(`Processes: ${name}`, ["processes"], smallBoxes)

describe("a real engine that asks for a client certificate", () => {
  const reasonFor = (tls: TlsOptions) =>
    Effect.flatMap(DockerEngine, (engine) => Effect.flip(engine.version)).pipe(
      Effect.provide(layerEngine({ host: `tcp://localhost:${engine?.port}`, tls })),
      Effect.map(({ message }) => message),
    )
  const ca = engine?.tls?.ca ?? ""
  const check = (title: string, tls: () => TlsOptions, reason: RegExp) =>
    noEngineContainers === undefined
      ? it.live(title, () =>
          Effect.map(reasonFor(tls()), (message) => assert.match(message, reason)),
        )
      : skipped(title, noEngineContainers)

  check(
    "gives an error that says so when the client has none",
    () => ({ ca }),
    /requires a client certificate/,
  )
  check(
    "refuses one from another authority",
    () => ({ ca, ...makeAuthority().client() }),
    /does not accept our client certificate/,
  )
  check(
    "refuses one that has expired",
    () => ({ ca, ...engine?.authority.client(true) }),
    /does not accept our client certificate/,
  )
  check("is not trusted without its CA", () => ({}), /not signed by an authority/)
})

// The tools' tests read it: another engine reaches the registry by another way.
if (engine?.registry !== undefined) process.env["CORDON_TEST_REGISTRY"] = engine.registry
runOnlyOn(name, { kind: "docker", layer, missing: noEngineContainers, client: engine?.client })
await import("../e2e/tools.test.ts")
