import { execFileSync, spawn } from "node:child_process"
import { once } from "node:events"
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { connect, createServer } from "node:net"
import { tmpdir, userInfo } from "node:os"
import { join } from "node:path"
import { setTimeout as sleep } from "node:timers/promises"
import { noEngine, socketPath } from "./docker.ts"
import { freePort, isOnPath } from "./machine.ts"
import { needs } from "./skips.ts"

const program = "/usr/sbin/sshd"

const missing = () => {
  if (noEngine !== undefined) return noEngine
  if (process.getuid?.() !== 0) return needs("an SSH server", "only root may start one")
  if (!existsSync(program)) return needs("an SSH server", `${program} is not installed`)
  for (const client of ["ssh", "ssh-keygen", "docker"]) {
    if (!isOnPath(client)) {
      return needs("an SSH server", `${client} is not on the PATH`)
    }
  }
  return undefined
}

/** Why the engine can't be reached through an sshd of the tests' own; undefined where it can. */
export const noSshd = missing()

/** What an engine's host may have in place of one, by the name that ssh's configuration gives it. */
const commands = {
  engine: undefined,
  lacking: "exec nonsuch-docker system dial-stdio",
  old: "docker system nonsuch-dial-stdio",
  dead: "docker --host unix:///nonexistent.sock system dial-stdio",
  noisy: "echo Welcome; exec docker system dial-stdio",
  hanging: "sleep 600",
} as const

export interface Sshd extends AsyncDisposable {
  readonly port: number
  /** For `sshConfig`: hosts by the names of {@link commands}, and some that can't be reached. */
  readonly config: string
  /** Process IDs of the sshd's children: one for each connection, or more. */
  readonly connections: () => ReadonlyArray<number>
}

const childrenOf = (parent: number | undefined) =>
  readFileSync(`/proc/${parent}/task/${parent}/children`, "utf8").trim().split(" ").filter(Boolean)

/** A real sshd on loopback that leads to this machine's engine, and to some that fail. */
export const startSshd = async (): Promise<Sshd> => {
  const folder = mkdtempSync(join(tmpdir(), "cordon-sshd-"))
  const at = (name: string) => join(folder, name)
  const key = (name: string) => {
    execFileSync("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", at(name)])
    return readFileSync(at(`${name}.pub`), "utf8").trim()
  }
  const port = await freePort()
  const hostKey = key("host")
  const otherKey = key("other-host")
  key("stranger")
  const authorized = Object.entries(commands).map(([name, command]) =>
    command === undefined ? key(name) : `command="${command}" ${key(name)}`,
  )
  writeFileSync(at("authorized"), `${authorized.join("\n")}\n`, { mode: 0o600 })
  const known = (key: string) => `[127.0.0.1]:${port} ${key.split(" ").slice(0, 2).join(" ")}\n`
  writeFileSync(at("known"), known(hostKey))
  writeFileSync(at("changed"), known(otherKey))
  writeFileSync(at("none"), "")
  writeFileSync(
    at("sshd_config"),
    `Port ${port}
ListenAddress 127.0.0.1
HostKey ${at("host")}
AuthorizedKeysFile ${at("authorized")}
PermitRootLogin prohibit-password
PasswordAuthentication no
KbdInteractiveAuthentication no
UsePAM no
StrictModes no
PidFile none
PrintMotd no
SetEnv DOCKER_HOST=unix://${socketPath} PATH=${process.env["PATH"] ?? ""}
`,
  )
  // Accepts, and says nothing.
  const silent = createServer(() => {}).listen(0, "127.0.0.1")
  await once(silent, "listening")
  const silentAddress = silent.address()
  const silentPort = typeof silentAddress === "object" ? silentAddress?.port : 0
  const host = (name: string, more: Readonly<Record<string, string | number | undefined>> = {}) =>
    Object.entries({
      Host: name,
      HostName: "127.0.0.1",
      Port: port,
      User: userInfo().username,
      IdentityFile: at(name in commands ? name : "engine"),
      IdentitiesOnly: "yes",
      UserKnownHostsFile: at("known"),
      GlobalKnownHostsFile: "/dev/null",
      StrictHostKeyChecking: "yes",
      ...more,
    })
      .map((pair) => pair.join(" "))
      .join("\n  ")
  writeFileSync(
    at("config"),
    [
      ...Object.keys(commands).map((name) => host(name)),
      host("unknown", { UserKnownHostsFile: at("none") }),
      host("changed", { UserKnownHostsFile: at("changed") }),
      host("stranger", { IdentityFile: at("stranger") }),
      host("refusing", { Port: 1 }),
      host("silent", { Port: silentPort }),
      host("nowhere", { HostName: "nowhere.invalid" }),
      host("shared", {
        IdentityFile: at("engine"),
        ControlMaster: "auto",
        ControlPath: at("control"),
        ControlPersist: 1,
      }),
      host("forwarding", {
        IdentityFile: at("engine"),
        LocalForward: "127.0.0.1:1 127.0.0.1:1",
        ExitOnForwardFailure: "yes",
        RemoteCommand: "false",
      }),
    ].join("\n"),
  )
  mkdirSync("/run/sshd", { recursive: true, mode: 0o755 })
  const child = spawn(program, ["-D", "-e", "-f", at("sshd_config")], { stdio: "ignore" })
  for (let tries = 0; ; tries++) {
    const socket = connect(port, "127.0.0.1")
    const up = await once(socket, "connect").then(
      () => true,
      () => false,
    )
    socket.destroy()
    if (up) break
    if (tries === 50) throw new Error("sshd did not answer within 5 s")
    await sleep(100)
  }
  return {
    port,
    config: at("config"),
    connections: () => childrenOf(child.pid).map(Number),
    [Symbol.asyncDispose]: async () => {
      const left = childrenOf(child.pid)
      child.kill("SIGKILL")
      for (const pid of left) {
        try {
          process.kill(Number(pid), "SIGKILL")
        } catch {
          // It has ended meanwhile.
        }
      }
      silent.close()
      await once(child, "exit")
      rmSync(folder, { recursive: true, force: true })
    },
  }
}
