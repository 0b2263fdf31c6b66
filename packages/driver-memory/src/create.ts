import { randomUUID } from "node:crypto"
import {
  handOver,
  ImageNotFound,
  RuntimeUnavailable,
  type SandboxDriver,
  type SandboxInfo,
  SandboxNameTaken,
} from "@cordon/core"
import { DateTime, Effect } from "effect"
import { FileTree } from "./files/FileTree.ts"
import type { MemorySandboxes } from "./sandboxes.ts"

/** What images there are, and how much a sandbox may hold. */
export interface MemoryOptions {
  /**
   * Images that exist, each with files by absolute path; any other is `ImageNotFound` then. By
   * default every image exists, and differs from the others in nothing but its name.
   */
  readonly images?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Bytes that the files of one sandbox may take: 512 MiB by default. */
  readonly maxFileBytes?: number
}

const systemFolders = ["/bin", "/etc", "/home", "/root", "/tmp", "/usr/bin", "/var/tmp"]
const systemFiles = { "/etc/passwd": "root:x:0:0:root:/root:/bin/sh\n" }

type Create = SandboxDriver["Service"]["create"]

/** Makes a sandbox whose files are those of its image. */
export const makeCreate = (
  sandboxes: MemorySandboxes,
  { images, maxFileBytes = 512 * 1024 ** 2 }: MemoryOptions,
): Create => {
  const filesOf = (image: string) =>
    images === undefined ? {} : Object.entries(images).find(([name]) => name === image)?.[1]

  return Effect.fn("MemoryDriver.create")(function* ({ id, session, spec }) {
    const { name, runtime, image, limits, network, lease, tags } = spec
    if (runtime !== "runc") {
      return yield* new RuntimeUnavailable({ runtime, available: ["runc"] })
    }
    const files = filesOf(image)
    if (files === undefined) return yield* new ImageNotFound({ image })
    const taken = new SandboxNameTaken({ sandbox: name })
    if (sandboxes.has(id)) return yield* taken
    const workdir = spec.workdir ?? "/workspace"
    const tree = yield* makeTree(maxFileBytes, workdir, files)
    const info: SandboxInfo = {
      id,
      session,
      name,
      instanceId: randomUUID(),
      status: "running",
      image,
      runtime,
      limits,
      network,
      lease,
      workdir,
      createdAt: DateTime.toDate(yield* DateTime.now),
      ...(tags === undefined ? {} : { tags }),
    }
    const env = { HOME: "/root", HOSTNAME: name, ...spec.env }
    // Looks once more: another creation may have taken the name while the files were written.
    if (sandboxes.has(id)) return yield* taken
    return yield* handOver(
      () => Effect.as(sandboxes.add({ info, tree, env, shells: new Map(), running: 0 }), info),
      () => Effect.ignore(sandboxes.remove(id, info.instanceId)),
    )
  })
}

/** A new file system. None of its first files can be refused, so an error is a defect. */
const makeTree = (
  maxFileBytes: number,
  workdir: string,
  files: Readonly<Record<string, string>>,
): Effect.Effect<FileTree> =>
  Effect.gen(function* () {
    const tree = new FileTree(maxFileBytes)
    for (const folder of [...systemFolders, workdir]) yield* tree.makeDirectory(folder)
    for (const [path, text] of Object.entries({ ...systemFiles, ...files })) {
      yield* tree.write(path, new TextEncoder().encode(text))
    }
    return tree
  }).pipe(Effect.orDie)
