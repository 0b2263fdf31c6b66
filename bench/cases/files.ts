import { randomBytes } from "node:crypto"
import { writeFile } from "node:fs/promises"
import { join } from "node:path"
import { Readable } from "node:stream"
import Docker from "dockerode"
import tar from "tar-stream"
import type { Case, Stopwatch, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"
import { dockerCli } from "../peers/cli.ts"
import { drain } from "../peers/RawEngine.ts"
import { startTestcontainer } from "../peers/testcontainers.ts"

const archiveOf = async (name: string, content: Buffer): Promise<Buffer> => {
  const pack = tar.pack()
  pack.entry({ name }, content)
  pack.finalize()
  return Buffer.concat(await Readable.from(pack).toArray())
}

/** @param fresh whether each try makes a new file, and does not replace the last one's */
const writing =
  (size: number, fresh: boolean) =>
  async (stage: Stage, stack: AsyncDisposableStack): Promise<ReadonlyArray<Subject>> => {
    const sandbox = stack.use(await stage.sandboxes(stack).create({ workdir: "/workspace" }))
    const { instanceId } = sandbox.info
    const container = new Docker({ socketPath: stage.socketPath }).getContainer(instanceId)
    const test = await startTestcontainer(stage, stack)
    const content = randomBytes(size)
    const onHost = join(stage.folder, `content-${size}`)
    await writeFile(onHost, content)
    let tries = 0
    const name = () => (fresh ? `file-${tries++}` : "file")
    return [
      {
        name: "cordon",
        run: ({ time }) => time(() => sandbox.files.write(name(), content)),
      },
      ...(stage.hasCli
        ? [
            {
              name: "docker",
              run: ({ time }: Stopwatch) =>
                time(() => dockerCli("cp", onHost, `${instanceId}:/workspace/${name()}`)),
            },
          ]
        : []),
      {
        name: "dockerode",
        run: async ({ time }) => {
          await time(async () => {
            // The archive must be made first: that is part of writing a file with it.
            const archive = await archiveOf(name(), content)
            await container.putArchive(archive, { path: "/workspace" })
          })
        },
      },
      {
        name: "testcontainers",
        run: ({ time }) =>
          time(() => test.copyContentToContainer([{ content, target: `/tmp/${name()}` }])),
      },
      {
        name: "raw",
        run: async ({ time }) => {
          const archive = await archiveOf(name(), content)
          await time(async () => {
            const path = `/containers/${instanceId}/archive?path=/workspace`
            await drain(await stage.raw.send("PUT", path, Readable.from([archive]), archive.length))
          })
        },
      },
    ]
  }

const reading =
  (size: number) =>
  async (stage: Stage, stack: AsyncDisposableStack): Promise<ReadonlyArray<Subject>> => {
    const sandbox = stack.use(await stage.sandboxes(stack).create({ workdir: "/workspace" }))
    const { instanceId } = sandbox.info
    const container = new Docker({ socketPath: stage.socketPath }).getContainer(instanceId)
    const test = await startTestcontainer(stage, stack)
    const content = randomBytes(size)
    await sandbox.files.write("file", content)
    await test.copyContentToContainer([{ content, target: "/tmp/file" }])
    const whole = (bytes: number) => {
      if (bytes < size) throw new Error(`${bytes} of ${size} bytes`)
    }
    return [
      {
        name: "cordon",
        run: async ({ time }) => whole((await time(() => sandbox.files.read("file"))).length),
      },
      ...(stage.hasCli
        ? [
            {
              name: "docker",
              run: ({ time }: Stopwatch) =>
                time(() => dockerCli("cp", `${instanceId}:/workspace/file`, "-")),
            },
          ]
        : []),
      {
        name: "dockerode",
        run: async ({ time }) => {
          const bytes = await time(async () => {
            const archive = await container.getArchive({ path: "/workspace/file" })
            return drain(Readable.from(archive))
          })
          whole(bytes)
        },
      },
      {
        name: "testcontainers",
        run: async ({ time }) => {
          const bytes = await time(async () =>
            drain(Readable.from(await test.copyArchiveFromContainer("/tmp/file"))),
          )
          whole(bytes)
        },
      },
      {
        name: "raw",
        run: async ({ time }) => {
          const path = `/containers/${instanceId}/archive?path=/workspace/file`
          whole(await time(async () => drain(await stage.raw.send("GET", path))))
        },
      },
    ]
  }

const about =
  "The others go through the engine's archive call, as root and past the sandbox's user; Cordon reads and writes with the rights of the sandbox's own user, and a write takes effect whole or not at all. A process of the sandbox's init does it, which has become the user: no program of the image."

const settings = { unit: "ms", rounds: 5, warmUp: 2, series: 10, pause: 5 } as const

export const fileCases: ReadonlyArray<Case> = [
  {
    ...settings,
    name: "write-1k",
    title: "Write a new file of 1 KiB",
    about,
    targets: [{ peer: "docker", ratio: 0.03 }],
    subjects: writing(1024, true),
  },
  {
    ...settings,
    name: "rewrite-1k",
    title: "Write over a file of 1 KiB",
    about:
      "As above, where the file is there already. A file that is written over keeps its mode, as in an editor, and never shows more of itself meanwhile: so the new one is made with the old one's mode. The others' file has the mode that they say.",
    targets: [{ peer: "docker", ratio: 0.03 }],
    subjects: writing(1024, false),
  },
  {
    ...settings,
    name: "read-1k",
    title: "Read a file of 1 KiB",
    about,
    targets: [{ peer: "docker", ratio: 0.03 }],
    subjects: reading(1024),
  },
  {
    ...settings,
    name: "write-1m",
    title: "Write a file of 1 MiB",
    about,
    targets: [{ peer: "dockerode", ratio: 0.25 }],
    subjects: writing(1024 ** 2, false),
  },
  {
    ...settings,
    name: "read-1m",
    title: "Read a file of 1 MiB",
    about,
    targets: [{ peer: "dockerode", ratio: 0.15 }],
    subjects: reading(1024 ** 2),
  },
]
