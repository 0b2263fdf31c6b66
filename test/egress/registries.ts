import { execFileSync } from "node:child_process"
import { createHash } from "node:crypto"
import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"

/** What a registry answers, by path. */
export type Registry = ReadonlyMap<string, Buffer>

/** A folder of files, packed as `tar.gz`. */
const packed = (folder: string, name: string, files: Readonly<Record<string, string>>): Buffer => {
  mkdirSync(join(folder, name), { recursive: true })
  for (const [file, text] of Object.entries(files)) writeFileSync(join(folder, name, file), text)
  const archive = join(folder, `${name}.tar.gz`)
  execFileSync("tar", ["-C", folder, "-czf", archive, name])
  return readFileSync(archive)
}

/** A registry of npm with one package, `@acme/private-tool`, whose program prints a line. */
export const makeNpm = (
  folder: string,
  address: () => string,
): ((path: string) => Buffer | undefined) => {
  const name = "@acme/private-tool"
  const manifest = { name, version: "1.0.0", bin: { "private-tool": "tool.js" } }
  const archive = packed(join(folder, "npm"), "package", {
    "package.json": JSON.stringify(manifest),
    "tool.js": '#!/usr/bin/env node\nconsole.log("from npm")\n',
  })
  const integrity = `sha512-${createHash("sha512").update(archive).digest("base64")}`
  return (path) => {
    if (path === `/${name}/-/private-tool-1.0.0.tgz`) return archive
    // npm encodes the slash of a name with a scope.
    if (path !== "/@acme%2fprivate-tool") return undefined
    const tarball = `${address()}/${name}/-/private-tool-1.0.0.tgz`
    return Buffer.from(
      JSON.stringify({
        name,
        "dist-tags": { latest: manifest.version },
        versions: { [manifest.version]: { ...manifest, dist: { tarball, integrity } } },
      }),
    )
  }
}

/** An index of Python packages (PEP 503) with one, `private-tool`, whose module prints a line. */
export const makePython = (folder: string): Registry => {
  const archive = packed(join(folder, "python"), "private-tool-1.0", {
    "PKG-INFO": "Metadata-Version: 1.0\nName: private-tool\nVersion: 1.0\n",
    "setup.py":
      'from setuptools import setup\nsetup(name="private-tool", version="1.0", py_modules=["private_tool"])\n',
    "private_tool.py": 'print("from pip")\n',
  })
  return new Map([
    [
      "/simple/private-tool/",
      Buffer.from('<a href="/private-tool-1.0.tar.gz">private-tool-1.0.tar.gz</a>'),
    ],
    ["/private-tool-1.0.tar.gz", archive],
  ])
}
