import { execFile } from "node:child_process"
import { createReadStream, createWriteStream } from "node:fs"
import { mkdir, open, rm, writeFile } from "node:fs/promises"
import { join } from "node:path"
import { PassThrough } from "node:stream"
import { pipeline } from "node:stream/promises"
import { fileURLToPath } from "node:url"
import { promisify } from "node:util"
import tar from "tar-stream"
import type { Case, Subject } from "../harness/Case.ts"
import type { Stage } from "../harness/stage.ts"
import { dockerCli } from "../peers/cli.ts"
import { drain } from "../peers/RawEngine.ts"

const chunk = 256 * 1024
const sizeOf = (quick: boolean) => (quick ? 1 : 256)
const countOf = (quick: boolean) => (quick ? 50 : 5000)

/** A file of pseudo-random bytes, which no layer can compress. */
export const bigFile = async (stage: Stage): Promise<{ path: string; size: number }> => {
  const path = join(stage.folder, "big")
  const block = Buffer.allocUnsafe(1024 ** 2)
  for (let at = 0, x = 1; at < block.length; at += 4) {
    x = (Math.imul(x, 1664525) + 1013904223) >>> 0
    block.writeUInt32LE(x, at)
  }
  const file = await open(path, "w")
  for (let n = 0; n < sizeOf(stage.quick); n++) {
    block.writeUInt32LE(n, 0)
    await file.write(block)
  }
  await file.close()
  return { path, size: sizeOf(stage.quick) * block.length }
}

/** A folder of small files, a hundred in each subfolder. */
const manyFiles = async (stage: Stage): Promise<string> => {
  const path = join(stage.folder, "many")
  for (let n = 0; n < countOf(stage.quick); n++) {
    const folder = join(path, `folder-${Math.floor(n / 100)}`)
    if (n % 100 === 0) await mkdir(folder, { recursive: true })
    await writeFile(join(folder, `file-${n}.txt`), `The content of file ${n}.\n`.repeat(20))
  }
  return path
}

/** A sandbox for transfers, and a clean-up after each try. */
const destination = async (stage: Stage, stack: AsyncDisposableStack) => {
  const sandbox = stack.use(await stage.sandboxes(stack).create({ workdir: "/workspace" }))
  const { instanceId } = sandbox.info
  return { sandbox, instanceId, clear: () => sandbox.run("rm -rf /workspace/*") }
}

/** Copies like `docker cp`, if there is a `docker` command. */
const copied = (
  stage: Stage,
  from: string,
  to: string,
  clear: () => Promise<unknown>,
): ReadonlyArray<Subject> =>
  stage.hasCli
    ? [
        {
          name: "docker",
          run: async ({ time }) => {
            await time(() => dockerCli("cp", from, to))
            await clear()
          },
        },
      ]
    : []

const uploadBig = async (
  stage: Stage,
  stack: AsyncDisposableStack,
): Promise<ReadonlyArray<Subject>> => {
  const { sandbox, instanceId, clear } = await destination(stage, stack)
  const { path, size } = await bigFile(stage)
  return [
    {
      name: "cordon",
      run: async ({ time }) => {
        await time(() => sandbox.files.upload("big", "big"))
        await clear()
      },
    },
    {
      name: "raw",
      run: async ({ time }) => {
        await time(async () => {
          const pack = tar.pack()
          const body = new PassThrough({ highWaterMark: chunk })
          const url = `/containers/${instanceId}/archive?path=/workspace`
          await Promise.all([
            pipeline(
              createReadStream(path, { highWaterMark: chunk }),
              pack.entry({ name: "big", size }),
            ).then(() => pack.finalize()),
            pipeline(pack, body),
            stage.raw.send("PUT", url, body).then(drain),
          ])
        })
        await clear()
      },
    },
    {
      name: "raw-stdin",
      run: async ({ time }) => {
        await time(async () => {
          const content = createReadStream(path, { highWaterMark: chunk })
          const command = ["/bin/sh", "-c", "exec cat >/workspace/big"]
          await stage.raw.feed(instanceId, command, content)
        })
        await clear()
      },
    },
    ...copied(stage, path, `${instanceId}:/workspace/big`, clear),
  ]
}

const downloadBig = async (
  stage: Stage,
  stack: AsyncDisposableStack,
): Promise<ReadonlyArray<Subject>> => {
  const { sandbox, instanceId } = await destination(stage, stack)
  await bigFile(stage)
  await sandbox.files.upload("big", "big")
  const target = join(stage.folder, "back")
  const clear = () => rm(target, { force: true })
  return [
    {
      name: "cordon",
      run: async ({ time }) => {
        await time(() => sandbox.files.download("big", "back"))
        await clear()
      },
    },
    {
      name: "raw",
      run: async ({ time }) => {
        await time(async () => {
          const url = `/containers/${instanceId}/archive?path=/workspace/big`
          const archive = await stage.raw.send("GET", url)
          const extract = tar.extract()
          const unpacked = (async () => {
            for await (const entry of extract) await pipeline(entry, createWriteStream(target))
          })()
          await Promise.all([pipeline(archive, extract), unpacked])
        })
        await clear()
      },
    },
    ...copied(stage, `${instanceId}:/workspace/big`, target, clear),
  ]
}

const uploadMany = async (
  stage: Stage,
  stack: AsyncDisposableStack,
): Promise<ReadonlyArray<Subject>> => {
  const { sandbox, instanceId, clear } = await destination(stage, stack)
  const path = await manyFiles(stage)
  return [
    {
      name: "cordon",
      run: async ({ time }) => {
        const { files } = await time(() => sandbox.files.upload("many", "many"))
        if (files !== countOf(stage.quick)) throw new Error(`${files} files`)
        await clear()
      },
    },
    ...copied(stage, path, `${instanceId}:/workspace/many`, clear),
  ]
}

const downloadMany = async (
  stage: Stage,
  stack: AsyncDisposableStack,
): Promise<ReadonlyArray<Subject>> => {
  const { sandbox, instanceId } = await destination(stage, stack)
  await manyFiles(stage)
  await sandbox.files.upload("many", "many")
  const target = join(stage.folder, "back")
  const clear = () => rm(target, { force: true, recursive: true })
  return [
    {
      name: "cordon",
      run: async ({ time }) => {
        const { files } = await time(() => sandbox.files.download("many", "back"))
        if (files !== countOf(stage.quick)) throw new Error(`${files} files`)
        await clear()
      },
    },
    ...copied(stage, `${instanceId}:/workspace/many`, target, clear),
  ]
}

const root = fileURLToPath(new URL("../../", import.meta.url))
const program = fileURLToPath(new URL("../programs/transfer.mjs", import.meta.url))
const rawProgram = fileURLToPath(new URL("../programs/rawDownload.mjs", import.meta.url))

/**
 * Runs a program that only makes the transfer, and returns its peak resident memory. The program uses the built packages,
 * because loading TypeScript would take memory itself.
 */
const transferMemory = async (
  stage: Stage,
  stack: AsyncDisposableStack,
): Promise<ReadonlyArray<Subject>> => {
  await promisify(execFile)("pnpm", ["exec", "tsc", "-b"], { cwd: root })
  const sandboxes = stage.sandboxes(stack)
  const sandbox = await sandboxes.create({ workdir: "/workspace" })
  await bigFile(stage)
  await sandbox.files.upload("big", "big")
  const subject = (name: string, direction: string): Subject => ({
    name,
    run: async ({ record }) => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        ...[program, direction, stage.folder, sandboxes.sessionId, sandbox.name],
      ])
      record(Number(stdout))
    },
  })
  return [
    subject("cordon", "idle"),
    subject("cordon-upload", "upload"),
    subject("cordon-download", "download"),
    {
      name: "raw-download",
      run: async ({ record }) => {
        const { stdout } = await promisify(execFile)(process.execPath, [
          ...[rawProgram, stage.socketPath, sandbox.info.instanceId],
          ...["/workspace/big", join(stage.folder, "raw")],
        ])
        record(Number(stdout))
      },
    },
  ]
}

const bytes = (quick: boolean) => ({ amount: sizeOf(quick), unit: "MiB" })
const files = (quick: boolean) => ({ amount: countOf(quick), unit: "files" })

export const transferCases: ReadonlyArray<Case> = [
  {
    name: "upload-256m",
    title: "Upload a file of 256 MiB",
    about:
      "From a file on this machine to a file in the sandbox. `raw` packs it into an archive as it is read and puts that to the engine, which unpacks it as root, through whatever links lie there. Cordon writes as the sandbox's user, over the connection to the sandbox's process 1: dockerd, containerd's shim, process 1 and its file operation each copy the bytes. `raw-stdin` is that way with nothing around it, the same file piped into a bare `cat`: the floor of who won't give up the user's rights for the archive call, and what is above it is ours.",
    unit: "ms",
    work: bytes,
    rounds: 7,
    warmUp: 1,
    targets: [{ peer: "docker", ratio: 1.1 }],
    subjects: uploadBig,
  },
  {
    name: "download-256m",
    title: "Download a file of 256 MiB",
    about:
      "From a file in the sandbox to a file on this machine. `raw` gets an archive from the engine and unpacks it as it comes.",
    unit: "ms",
    work: bytes,
    rounds: 7,
    warmUp: 1,
    targets: [{ peer: "docker", ratio: 1.1 }],
    subjects: downloadBig,
  },
  {
    name: "upload-5000",
    title: "Upload a folder of 5,000 small files",
    about: "Fifty folders of a hundred files of half a kilobyte.",
    unit: "ms",
    work: files,
    rounds: 7,
    warmUp: 1,
    targets: [{ peer: "docker", ratio: 0.6 }],
    subjects: uploadMany,
  },
  {
    name: "download-5000",
    title: "Download a folder of 5,000 small files",
    about:
      "The same folder back. Each file that comes out is distrusted: its path is checked, and it takes its place whole or not at all.",
    unit: "ms",
    work: files,
    rounds: 7,
    warmUp: 1,
    targets: [{ peer: "docker", ratio: 0.6 }],
    subjects: downloadMany,
  },
  {
    name: "transfer-memory",
    title: "Memory while 256 MiB are transferred",
    about:
      "The most that a whole program (Node, the SDK and what it transfers) was resident with: one that only looks at its sandbox, one that uploads, one that downloads. `raw-download` gets the same file with nothing but Node, which itself has 41 MiB, and a parser of archives. Both ways the bytes go through a few MiB that are used again: an upload reads the file into memory that is free as soon as it was sent, a download reads the connection and gathers blocks for the file in such memory. `raw-download` has its pieces from Node, each in new memory that waits to be collected. Ours starts from more: Effect and dockerode.",
    unit: "MiB",
    rounds: 3,
    warmUp: 0,
    targets: [
      { subject: "cordon-upload", value: 130 },
      { subject: "cordon-download", value: 130 },
    ],
    subjects: transferMemory,
  },
]
