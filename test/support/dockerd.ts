import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { request } from "node:http"
import { tmpdir } from "node:os"
import { join } from "node:path"
import Dockerode from "dockerode"
import { noEngine } from "./docker.ts"
import { isOnPath } from "./machine.ts"
import { needs } from "./skips.ts"

/** Why a test can't start an engine of its own here; undefined where it can. */
export const noDockerd =
  noEngine ??
  (process.getuid?.() !== 0
    ? needs("an engine of its own", "only root may start one")
    : isOnPath("dockerd") && isOnPath("unshare")
      ? undefined
      : needs("an engine of its own", "there is no dockerd on the PATH"))

const answers = (socketPath: string) =>
  new Promise<boolean>((resolve) => {
    request({ socketPath, path: "/_ping" }, (response) => {
      response.resume()
      resolve(response.statusCode === 200)
    })
      .on("error", () => resolve(false))
      .end()
  })

export interface Dockerd extends AsyncDisposable {
  readonly socketPath: string
  readonly engine: Dockerode
  /** Ends the daemon, as its administrator would or by another signal, and starts it again. */
  readonly restart: (signal?: NodeJS.Signals) => Promise<void>
  /** Has the daemon hang, or go on. */
  readonly signal: (signal: "SIGSTOP" | "SIGCONT") => void
  /** Has its containerd hang, go on, or end; the daemon starts one that has ended again. */
  readonly signalContainerd: (signal: "SIGSTOP" | "SIGCONT" | "SIGKILL") => void
}

/**
 * A Docker Engine of the test's own, in a network namespace of its own, so that its bridge and its
 * firewall rules meet nobody else's. It has the image of the engine that is there already.
 */
export const startDockerd = async (options: {
  readonly liveRestore: boolean
  readonly image: string
  readonly from: Dockerode
  /** Where it keeps images and containers, which also decides its storage driver. */
  readonly dataRoot?: string
  /** Whether it offers gVisor, as the engine that is there does. */
  readonly gvisor?: boolean
}): Promise<Dockerd> => {
  const folder = mkdtempSync(join(tmpdir(), "cordon-dockerd-"))
  const socketPath = join(folder, "docker.sock")
  const config = join(folder, "daemon.json")
  const { Runtimes: runtimes } = options.gvisor ? await options.from.info() : {}
  writeFileSync(
    config,
    JSON.stringify({
      "live-restore": options.liveRestore,
      ...(runtimes === undefined ? {} : { runtimes: { runsc: runtimes.runsc } }),
    }),
  )

  // A process that does nothing but hold the namespace, which has to outlive the daemon.
  const holder = spawn("unshare", ["--net", "sleep", "infinity"], { stdio: "ignore" })
  await once(holder, "spawn")

  const start = async () => {
    const daemon = spawn(
      "nsenter",
      [
        ...["--net", "--target", String(holder.pid), "dockerd", "--config-file", config],
        ...["--host", `unix://${socketPath}`, "--pidfile", join(folder, "dockerd.pid")],
        ...[
          "--data-root",
          options.dataRoot ?? join(folder, "data"),
          "--exec-root",
          join(folder, "exec"),
        ],
      ],
      { stdio: "ignore" },
    )
    const ended = once(daemon, "exit")
    for (let attempt = 0; attempt < 300 && !(await answers(socketPath)); attempt++) {
      if (daemon.exitCode !== null) throw new Error(`dockerd ended with ${daemon.exitCode}`)
      await new Promise((resolve) => setTimeout(resolve, 100))
    }
    const stop = async (signal: NodeJS.Signals = "SIGTERM") => {
      daemon.kill(signal)
      await ended
    }
    return { stop, signal: (signal: NodeJS.Signals) => void daemon.kill(signal) }
  }

  let running = await start()
  const engine = new Dockerode({ socketPath })
  const loaded = await engine.loadImage(await options.from.getImage(options.image).get())
  loaded.resume()
  await once(loaded, "end")
  return {
    socketPath,
    engine,
    restart: async (signal) => {
      await running.stop(signal)
      // What a daemon that was killed leaves takes a moment to go.
      for (let attempt = 0; ; attempt++) {
        try {
          running = await start()
          return
        } catch (error) {
          if (attempt === 5) throw error
          await new Promise((resolve) => setTimeout(resolve, 1000))
        }
      }
    },
    signal: (signal) => running.signal(signal),
    signalContainerd: (signal) => {
      const file = join(folder, "exec", "containerd", "containerd.pid")
      process.kill(Number(readFileSync(file, "utf8")), signal)
    },
    [Symbol.asyncDispose]: async () => {
      // With live-restore the daemon would leave them running.
      for (const { Id } of await engine.listContainers({ all: true })) {
        // One that a test could not end is being removed already.
        await engine
          .getContainer(Id)
          .remove({ force: true })
          .catch(() => undefined)
      }
      await running.stop()
      holder.kill("SIGKILL")
      // So it leaves its mounts.
      const mounts = readFileSync("/proc/mounts", "utf8").split("\n")
      for (const mount of mounts.toReversed()) {
        const at = mount.split(" ")[1] ?? ""
        if (at.startsWith(`${folder}/`)) execFileSync("umount", ["--lazy", at])
      }
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
