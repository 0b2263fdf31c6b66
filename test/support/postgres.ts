import { execFile, execFileSync, spawn } from "node:child_process"
import { randomBytes } from "node:crypto"
import { chownSync, existsSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { promisify } from "node:util"
import type { Certificate } from "./certificates.ts"
import { freePort } from "./machine.ts"
import { needs } from "./skips.ts"

const run = promisify(execFile)

/** Debian keeps the servers out of the PATH, each version in a folder of its own. */
const binaries = (() => {
  const root = "/usr/lib/postgresql"
  const versions = existsSync(root) ? readdirSync(root) : []
  return versions
    .map((version) => join(root, version, "bin"))
    .findLast((folder) => existsSync(join(folder, "initdb")))
})()

/**
 * Why tests on PostgreSQL can't run here; undefined where they can. Where CI says that it is there
 * they run in any case, and fail.
 */
export const noPostgres =
  binaries !== undefined || process.env["CORDON_TEST_POSTGRES"] === "required"
    ? undefined
    : needs("PostgreSQL", "/usr/lib/postgresql has no server (Debian: apt-get install postgresql)")

/** PostgreSQL does not run as root. */
const ordinaryUser = () => {
  if (process.getuid?.() !== 0) return {}
  const id = (option: string) =>
    Number(execFileSync("id", [option, "nobody"], { encoding: "utf8" }))
  return { uid: id("-u"), gid: id("-g") }
}

export interface Postgres extends AsyncDisposable {
  /** Makes an empty database, and tells where it is. */
  readonly createDatabase: () => Promise<string>
  /** Ends the server as an administrator would (its clients are cut off), and starts it again. */
  readonly restart: () => Promise<void>
}

/**
 * A server of one's own, with a password, on a free port.
 *
 * @param options.tls the certificate that it shows to clients that ask for TLS; by default it offers none
 */
export const startPostgres = async ({
  tls,
}: {
  readonly tls?: Certificate
} = {}): Promise<Postgres> => {
  const bin = (name: string) => join(binaries ?? "", name)
  const owner = ordinaryUser()
  const folder = mkdtempSync(join(tmpdir(), "cordon-postgres-"))
  const data = join(folder, "data")
  const password = randomBytes(12).toString("hex")
  writeFileSync(join(folder, "password"), password, { mode: 0o644 })
  if (owner.uid !== undefined) chownSync(folder, owner.uid, owner.gid)
  const options = { ...owner, cwd: folder, env: { ...process.env, LC_ALL: "C" } }
  await run(
    bin("initdb"),
    ["-D", data, "-U", "cordon", "-A", "scram-sha-256", "--pwfile", "password", "--no-sync"],
    options,
  )
  const port = await freePort()
  const keep = (name: string, content: string) => {
    const file = join(folder, name)
    writeFileSync(file, content, { mode: 0o600 })
    if (owner.uid !== undefined) chownSync(file, owner.uid, owner.gid)
    return file
  }
  const secured =
    tls === undefined
      ? []
      : [
          ...["-c", "ssl=on", "-c", `ssl_cert_file=${keep("server.crt", tls.cert)}`],
          ...["-c", `ssl_key_file=${keep("server.key", tls.key)}`],
        ]

  const start = async () => {
    const server = spawn(
      bin("postgres"),
      ["-D", data, "-h", "127.0.0.1", "-p", String(port), "-k", folder, "-F", ...secured],
      { ...options, stdio: "ignore" },
    )
    const ended = new Promise<void>((resolve) => server.once("exit", () => resolve()))
    // A server that does not start leaves the tests to fail by what they then hear.
    for (let attempt = 0; attempt < 200; attempt++) {
      const ready = await run(bin("pg_isready"), ["-h", "127.0.0.1", "-p", String(port)]).then(
        () => true,
        () => false,
      )
      if (ready) break
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    return {
      stop: () => {
        server.kill("SIGINT")
        return ended
      },
    }
  }

  let server = await start()
  let databases = 0
  return {
    createDatabase: async () => {
      const name = `test_${++databases}`
      const env = { ...process.env, PGPASSWORD: password }
      await run(bin("createdb"), ["-h", "127.0.0.1", "-p", String(port), "-U", "cordon", name], {
        env,
      })
      return `postgres://cordon:${password}@127.0.0.1:${port}/${name}`
    },
    restart: async () => {
      await server.stop()
      server = await start()
    },
    [Symbol.asyncDispose]: async () => {
      await server.stop()
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
