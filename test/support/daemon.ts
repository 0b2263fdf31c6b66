import { execFileSync, spawn } from "node:child_process"
import { mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Dockerode from "dockerode"
import { Effect } from "effect"
import { socketPath as firstSocket } from "./docker.ts"

/**
 * A second Docker Engine beside the first, with a configuration of its own and some of the first
 * one's images. Its networks lead nowhere: it would have to share the first one's firewall.
 */
export const secondEngine = (
  config: Readonly<Record<string, unknown>>,
  images: ReadonlyArray<string> = [],
) =>
  Effect.acquireRelease(
    Effect.promise(async () => {
      const root = mkdtempSync(join(tmpdir(), "cordon-engine-"))
      const bridge = `cb${process.pid}`
      const socketPath = join(root, "docker.sock")
      execFileSync("ip", ["link", "add", bridge, "type", "bridge"])
      execFileSync("ip", ["addr", "add", "10.252.7.1/24", "dev", bridge])
      writeFileSync(
        join(root, "daemon.json"),
        JSON.stringify({
          hosts: [`unix://${socketPath}`],
          "data-root": join(root, "data"),
          "exec-root": join(root, "exec"),
          pidfile: join(root, "pid"),
          bridge,
          iptables: false,
          "ip-forward": false,
          "ip-masq": false,
          ...config,
        }),
      )
      const daemon = spawn("dockerd", ["--config-file", join(root, "daemon.json")], {
        stdio: ["ignore", "ignore", "pipe"],
      })
      let log = ""
      daemon.stderr.on("data", (chunk) => {
        log = `${log}${chunk}`.slice(-4000)
      })
      const over = new Promise<void>((resolve) => daemon.once("close", () => resolve()))
      const engine = new Dockerode({ socketPath })
      const stop = async () => {
        daemon.kill("SIGTERM")
        await over
        execFileSync("ip", ["link", "del", bridge])
        rmSync(root, { recursive: true, force: true })
      }
      for (;;) {
        if (daemon.exitCode !== null) {
          await stop()
          throw new Error(`dockerd ended: ${log}`)
        }
        if (await engine.ping().then(Boolean, () => false)) break
        await new Promise((resolve) => setTimeout(resolve, 200))
      }
      for (const image of images) {
        const first = new Dockerode({ socketPath: firstSocket })
        const loading = await engine.loadImage(await first.getImage(image).get())
        await new Promise((resolve, reject) =>
          engine.modem.followProgress(loading, (error, done) =>
            error ? reject(error) : resolve(done),
          ),
        )
      }
      return { engine, host: `unix://${socketPath}`, stop }
    }),
    ({ stop }) => Effect.promise(stop),
  )
