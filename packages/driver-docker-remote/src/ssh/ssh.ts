import { spawn } from "node:child_process"
import { codeOf } from "@cordon/driver-docker/engine"
import { Effect, type Scope, Semaphore } from "effect"
import type { buildConnector } from "undici"
import { hold, type Program, ProgramSocket } from "./ProgramSocket.ts"
import { SshFailure, sshFailure } from "./sshFailures.ts"

/** The target of an ssh connection. */
export interface SshTarget {
  readonly hostname: string
  readonly port: string
  readonly username: string
  /** The engine's socket there; the one that docker uses there where it is empty. */
  readonly path: string
}

/**
 * The arguments of ssh. It must not ask questions, since nobody may be there to answer. Shared
 * connections (ControlMaster), jump hosts and keys are set in ssh's own configuration.
 */
export const sshArguments = (
  { hostname, port, username, path }: SshTarget,
  { seconds, config }: { readonly seconds: number; readonly config: string | undefined },
): ReadonlyArray<string> => [
  ...(config === undefined ? [] : ["-F", config]),
  // No terminal, no X11 and no agent forwarding.
  ...["-T", "-x", "-a"],
  ...[
    "BatchMode=yes",
    `ConnectTimeout=${seconds}`,
    // Finds out that a firewall has dropped the connection.
    "ServerAliveInterval=15",
    "ServerAliveCountMax=3",
    // Otherwise each connection would try to open the ports that a configuration forwards.
    "ClearAllForwardings=yes",
    "RemoteCommand=none",
    // Failures are told apart by these messages.
    "LogLevel=ERROR",
  ].flatMap((option) => ["-o", option]),
  ...(port === "" ? [] : ["-p", port]),
  ...(username === "" ? [] : ["-l", username]),
  "--",
  hostname,
  "docker",
  ...(path === "" ? [] : ["--host", `unix://${path}`]),
  ...["system", "dial-stdio"],
]

// sshd drops some connections if more than ten have not logged in yet (MaxStartups).
const atOnce = 4
const mostHead = 16 * 1024
const mostSaid = 8 * 1024
const ping = "HEAD /_ping HTTP/1.1\r\nHost: engine\r\n\r\n"

/** Waits until an engine answers through a program: only that shows that the way there works. */
const engineAnswers = (program: Program, milliseconds: number): Promise<void> => {
  const { promise, resolve, reject } = Promise.withResolvers<void>()
  const { stdin, stdout, stderr } = program
  let head = ""
  let said = ""
  const timer = setTimeout(
    () =>
      reject(
        new SshFailure(
          `no engine answered through ssh within ${milliseconds / 1000} s: ssh hangs, or the engine does`,
        ),
      ),
    milliseconds,
  ).unref()
  const onData = (piece: Buffer) => {
    head += piece.toString("latin1")
    if (!"HTTP/1.".startsWith(head.slice(0, 7)) || head.length > mostHead) {
      return reject(
        new SshFailure(
          "something else than an engine writes to ssh's output there, such as a shell's startup file",
        ),
      )
    }
    if (head.endsWith("\r\n\r\n")) resolve()
  }
  stdout.on("data", onData)
  stderr.on("data", (piece: Buffer) => {
    if (said.length < mostSaid) said += piece.toString()
  })
  // The program may end before it has read all its input.
  stdin.on("error", () => {})
  program.on("error", (cause) =>
    reject(
      new SshFailure(
        codeOf(cause) === "ENOENT"
          ? "there is no ssh on the PATH of this program"
          : "ssh could not be started",
      ),
    ),
  )
  // A shared connection that stays in the background keeps the output open.
  program.on("exit", (code) => {
    const end = () => reject(sshFailure(code, said))
    stderr.on("end", end)
    setTimeout(end, 200).unref()
  })
  stdin.write(ping)
  return promise.finally(() => {
    clearTimeout(timer)
    stdout.pause()
    stdout.off("data", onData)
  })
}

/** A connection to an engine through ssh: one program for each, as the docker client does it. */
const open = async (
  args: ReadonlyArray<string>,
  milliseconds: number,
  holds: boolean,
  opening: Set<Program>,
): Promise<ProgramSocket> => {
  const program = spawn("ssh", args, {
    stdio: ["pipe", "pipe", "pipe"],
    // Ctrl-C in the terminal must not end ssh: this program may still have to clean up through it.
    detached: process.platform !== "win32",
    windowsHide: true,
  })
  opening.add(program)
  hold(program, holds)
  try {
    await engineAnswers(program, milliseconds)
    return new ProgramSocket(program)
  } catch (cause) {
    for (const stream of [program.stdin, program.stdout, program.stderr]) stream.destroy()
    program.kill("SIGKILL")
    throw cause
  } finally {
    opening.delete(program)
  }
}

/** Connects through the system's ssh. The end of the scope aborts connections that are not yet established. */
export const sshConnector = (
  target: SshTarget,
  {
    connectTimeout,
    config,
    holds,
  }: {
    /** Milliseconds. */
    readonly connectTimeout: number
    /** A configuration in place of the user's own. */
    readonly config: string | undefined
    /** Whether connections keep the process alive. */
    readonly holds: boolean
  },
): Effect.Effect<buildConnector.connector, never, Scope.Scope> =>
  Effect.acquireRelease(
    Effect.sync(() => {
      const seconds = Math.max(1, Math.ceil(connectTimeout / 1000))
      const args = sshArguments(target, { seconds, config })
      const opening = new Set<Program>()
      const permits = Semaphore.makeUnsafe(atOnce)
      const connector: buildConnector.connector = (_options, done) => {
        const opened = Effect.promise(() => open(args, connectTimeout, holds, opening))
        Effect.runPromise(permits.withPermits(1)(opened)).then(
          (socket) => done(null, socket),
          (cause: Error) => done(cause, null),
        )
      }
      return { connector, opening }
    }),
    ({ opening }) =>
      Effect.sync(() => {
        for (const program of opening) program.kill("SIGKILL")
      }),
  ).pipe(Effect.map(({ connector }) => connector))
