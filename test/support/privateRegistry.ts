import { spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import Dockerode from "dockerode"
import { noEngine, socketPath } from "./docker.ts"
import { freePort, isOnPath } from "./machine.ts"
import { needs } from "./skips.ts"

/** Why no registry with a password can be started here; undefined where one can. */
export const noPrivateRegistry =
  noEngine ??
  (isOnPath("docker-registry")
    ? undefined
    : needs("a registry", "there is no docker-registry on the PATH"))

/** Who may pull, and push. */
export const owner = { username: "owner", password: "open-sesame-4711" } as const
// What htpasswd -B makes of it.
const hashed = "$2a$05$abcdefghijklmnopqrstuud2L8crwTyOxFi9P3yYYIG5bIITxThTG"

export interface PrivateRegistry extends AsyncDisposable {
  readonly port: number
  /** `127.0.0.1:PORT`, which engines trust without TLS. */
  readonly address: string
  /** Puts an image of this machine's engine there, and takes its new name away from the engine. */
  readonly publish: (image: string, repository: string) => Promise<void>
}

/** A real registry on loopback whose images only {@link owner} gets. */
export const startPrivateRegistry = async (): Promise<PrivateRegistry> => {
  const folder = mkdtempSync(join(tmpdir(), "cordon-registry-"))
  const port = await freePort()
  const address = `127.0.0.1:${port}`
  writeFileSync(join(folder, "users"), `${owner.username}:${hashed}\n`)
  const config = {
    version: 0.1,
    log: { level: "error", accesslog: { disabled: true } },
    storage: { filesystem: { rootdirectory: join(folder, "data") } },
    http: { addr: address },
    auth: { htpasswd: { realm: "cordon", path: join(folder, "users") } },
  }
  writeFileSync(join(folder, "config.yml"), JSON.stringify(config))
  const child = spawn("docker-registry", ["serve", join(folder, "config.yml")], { stdio: "ignore" })
  for (let tries = 0; ; tries++) {
    const answer = await fetch(`http://${address}/v2/`).catch(() => undefined)
    if (answer?.status === 401) break
    if (tries === 100) throw new Error("The registry did not answer within 10 s")
    await sleep(100)
  }
  const engine = new Dockerode({ socketPath })
  const published = new Set<string>()
  return {
    port,
    address,
    publish: async (image, repository) => {
      const name = `${address}/${repository}`
      await engine.getImage(image).tag({ repo: name, tag: "1" })
      const authconfig = { ...owner, serveraddress: address }
      const pushed = await engine.getImage(`${name}:1`).push({ tag: "1", authconfig })
      let said = ""
      for await (const piece of pushed) said += String(piece)
      if (said.includes('"error"')) throw new Error(`The image could not be pushed: ${said}`)
      await engine.getImage(`${name}:1`).remove()
      published.add(`${name}:1`)
    },
    [Symbol.asyncDispose]: async () => {
      child.kill("SIGKILL")
      await once(child, "exit")
      // What a test has pulled again.
      for (const name of published)
        await engine
          .getImage(name)
          .remove()
          .catch(() => undefined)
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
