import { randomBytes } from "node:crypto"
import { constants } from "node:fs"
import { open, readdir } from "node:fs/promises"
import { join, posix } from "node:path"
import type { PromiseSandbox } from "@cordon/core"
import {
  type Entry,
  type GitRepo,
  Manifest,
  permissionsForSandboxEntry,
  SandboxUnsupportedFeatureError,
} from "@openai/agents/sandbox"

const unsupported = (what: string) =>
  new SandboxUnsupportedFeatureError(`A Cordon sandbox has no ${what} of a manifest.`)

/** Refuses what would otherwise be passed over in silence. */
const checkManifest = ({ users, groups, extraPathGrants }: Manifest): void => {
  if (users.length > 0) throw unsupported("users")
  if (groups.length > 0) throw unsupported("groups")
  if (extraPathGrants.length > 0) throw unsupported("extraPathGrants")
}

/** A file of this machine, which the program's own manifest names. */
const readLocal = async (path: string): Promise<Uint8Array> => {
  const file = await open(path, constants.O_RDONLY | constants.O_NOFOLLOW)
  try {
    return await file.readFile()
  } finally {
    await file.close()
  }
}

const urlOf = ({ host = "github.com", repo }: GitRepo): string =>
  /^[a-z]+:\/\//.test(repo) ? repo : `https://${host}/${repo.replace(/\.git$/, "")}.git`

const cloneInto = async (sandbox: PromiseSandbox, path: string, entry: GitRepo): Promise<void> => {
  const branch = entry.ref
  if (entry.subpath === undefined) {
    await sandbox.git.clone(urlOf(entry), { directory: path, branch })
    return
  }
  const aside = `${path}.clone-${randomBytes(4).toString("hex")}`
  try {
    await sandbox.git.clone(urlOf(entry), { directory: aside, branch })
    await sandbox.files.move(posix.join(aside, entry.subpath), path)
  } finally {
    await sandbox.files.remove(aside, { recursive: true })
  }
}

const copyFolder = async (sandbox: PromiseSandbox, from: string, to: string): Promise<void> => {
  await sandbox.files.makeDirectory(to)
  for (const entry of await readdir(from, { withFileTypes: true })) {
    const [source, target] = [join(from, entry.name), posix.join(to, entry.name)]
    if (entry.isDirectory()) await copyFolder(sandbox, source, target)
    else if (entry.isFile()) await sandbox.files.write(target, await readLocal(source))
    else throw unsupported(`links and special files (${source})`)
  }
}

/** Makes an entry of a manifest in a sandbox. */
export const materialize = async (
  sandbox: PromiseSandbox,
  path: string,
  entry: Entry,
): Promise<void> => {
  const { files } = sandbox
  if (entry.group !== undefined) throw unsupported("groups")
  const mode =
    entry.permissions === undefined
      ? {}
      : { mode: permissionsForSandboxEntry(entry.permissions).toMode() & 0o7777 }
  switch (entry.type) {
    case "file":
      return await files.write(path, entry.content, mode)
    case "local_file":
      return await files.write(path, await readLocal(entry.src), mode)
    case "local_dir":
      return await copyFolder(sandbox, entry.src, path)
    case "git_repo":
      return await cloneInto(sandbox, path, entry)
    case "dir": {
      await files.makeDirectory(path)
      for (const [name, child] of Object.entries(entry.children ?? {})) {
        await materialize(sandbox, posix.join(path, name), child)
      }
      return
    }
    default:
      throw unsupported("mounts")
  }
}

/** Makes all entries of a manifest. @returns its environment */
export const applyTo = async (
  sandbox: PromiseSandbox,
  manifest: Manifest,
): Promise<Record<string, string>> => {
  checkManifest(manifest)
  for (const [path, entry] of Object.entries(manifest.entries)) {
    await materialize(sandbox, path, entry)
  }
  return await manifest.resolveEnvironment()
}

/** A manifest with what another one adds. */
export const merged = (base: Manifest, more: Pick<Manifest, "entries" | "environment">): Manifest =>
  new Manifest({
    version: base.version,
    root: base.root,
    entries: { ...base.entries, ...more.entries },
    environment: { ...base.environment, ...more.environment },
  })
