import { mkdtemp, rm } from "node:fs/promises"
import { join } from "node:path"
import { docker } from "@cordon/driver-docker"
import { dockerRemote } from "@cordon/driver-docker-remote"
import { startEngine } from "../../test/support/engineContainer.ts"
import type { Case, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"
import { creating, removing, subjectsOf, type Way, within } from "./ways.ts"

/** One engine in a container, reached over mutual TLS and over its local socket. Everything else is the same. */
const bothWays =
  (way: (stage: Stage) => Way) =>
  async (stage: Stage, stack: AsyncDisposableStack): Promise<ReadonlyArray<Subject>> => {
    const folder = await mkdtemp(join(stage.folder, "engine-"))
    stack.defer(() => rm(folder, { recursive: true, force: true }))
    const engine = await startEngine({ tls: true, socketFolder: folder, images: [stage.image] })
    stack.defer(engine.stop)
    const drivers = {
      cordon: dockerRemote({
        host: `tcp://${engine.address}:2376`,
        tls: { ...engine.tls, serverName: "localhost" },
      }),
      local: docker({ host: `unix://${join(folder, "docker.sock")}` }),
    }
    return subjectsOf(stage, stack, drivers, way(stage))
  }

const about =
  "One engine in a container, reached over TCP with certificates on both sides (`cordon`) and by its own Unix socket (`local`), in turn."

export const remoteCases: ReadonlyArray<Case> = [
  {
    name: "remote-exec",
    title: "Run `true` over TLS",
    about,
    unit: "ms",
    rounds: 10,
    warmUp: 2,
    series: 20,
    pause: 5,
    targets: [{ peer: "local", ratio: 1.2 }],
    subjects: bothWays(() => within((sandbox) => sandbox.exec(["true"]))),
  },
  {
    name: "remote-write-1k",
    title: "Write a file of 1 KiB over TLS",
    about,
    unit: "ms",
    rounds: 10,
    warmUp: 2,
    series: 20,
    pause: 5,
    targets: [{ peer: "local", ratio: 1.2 }],
    subjects: bothWays(() => {
      const content = Buffer.alloc(1024, "cordon")
      return within((sandbox) => sandbox.files.write("file", content))
    }),
  },
  {
    name: "remote-create",
    title: "Create a sandbox without a network over TLS",
    about: `${about} Its network is \`none\`. Removing it is not counted.`,
    unit: "ms",
    rounds: 15,
    warmUp: 2,
    targets: [{ peer: "local", ratio: 1.5 }],
    subjects: bothWays(creating(() => 1)),
  },
  {
    name: "remote-remove",
    title: "Remove a sandbox over TLS",
    about: `${about} As the caller sees it. Making it is not counted.`,
    unit: "ms",
    rounds: 15,
    warmUp: 2,
    targets: [{ peer: "local", ratio: 1.5 }],
    subjects: bothWays(removing),
  },
  {
    name: "remote-create-40",
    title: "Create 40 sandboxes at once over TLS",
    about: `${about} Their network is \`none\`; the time until the last one is there.`,
    unit: "ms",
    rounds: 3,
    warmUp: 1,
    targets: [{ peer: "local", ratio: 1 }],
    subjects: bothWays(creating(({ quick }) => (quick ? 2 : 40))),
  },
]
