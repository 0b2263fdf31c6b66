import { randomUUID } from "node:crypto"
import { engine, type Opened } from "./provider.ts"

/** What a provider does with its defaults. */
export interface Findings {
  readonly memoryLimit: boolean
  readonly processLimit: boolean
  readonly cpuLimit: boolean
  /** How many capabilities a program can have at most, as root too. */
  readonly capabilities: number
  readonly noNewPrivileges: boolean
  /** Whether its network is the one that the engine gives to all containers that name none. */
  readonly sharedNetwork: boolean
  /** Whether its network has an address of the host. */
  readonly hostGateway: boolean
  /** Whether what is sent to a cloud's metadata service leaves it. */
  readonly metadataAddress: boolean
  readonly dockerSocket: boolean
  readonly hostFolders: number
  /** Whether `docker inspect` tells a secret that was given as a variable. */
  readonly secretInInspect: boolean
  /** A command that writes to both outputs, and exits with 3. */
  readonly outcome: string
  /** Whether the processes of a command end that is stopped. */
  readonly stoppedCommandEnds: boolean
}

export const variable = "COMPARISON_SECRET"

const waitFor = (milliseconds: number) =>
  new Promise((resolve) => setTimeout(resolve, milliseconds))

const isSet = (limit: number | null | undefined) => (limit ?? 0) > 0

/** What the engine says of the container. */
const inspected = async (container: string, secret: string) => {
  const info = await engine.getContainer(container).inspect()
  const { HostConfig: host, Mounts: mounts } = info
  const networks = Object.entries(info.NetworkSettings.Networks)
  return {
    memoryLimit: isSet(host.Memory),
    processLimit: isSet(host.PidsLimit),
    cpuLimit: isSet(host.NanoCpus) || isSet(host.CpuQuota),
    sharedNetwork: networks.some(([name]) => name === "bridge"),
    hostGateway: networks.some(([, { Gateway }]) => Gateway !== ""),
    metadataAddress: !JSON.stringify(networks).includes("169.254.169.254"),
    hostFolders: mounts.filter(({ Type }) => Type === "bind").length,
    secretInInspect: JSON.stringify(info).includes(secret),
  }
}

const look = [
  `[ "$${variable}" ] && echo "secret $${variable}"`,
  "grep -E '^(CapBnd|NoNewPrivs):' /proc/self/status",
  "[ -S /var/run/docker.sock ] && echo socket",
  "true",
].join("\n")

/** What a program inside sees. */
const seen = async ({ run }: Opened, secret: string) => {
  const { stdout } = await run(look)
  if (!stdout.includes(`secret ${secret}`)) {
    throw new Error(`The command did not get its variable: ${stdout}`)
  }
  const [, bounding = ""] = /CapBnd:\s*([0-9a-f]+)/.exec(stdout) ?? []
  const bits = BigInt(`0x${bounding}`).toString(2)
  return {
    capabilities: bits.replaceAll("0", "").length,
    noNewPrivileges: /NoNewPrivs:\s*1/.test(stdout),
    dockerSocket: /^socket$/m.test(stdout),
  }
}

const outcomeOf = async ({ run }: Opened) => {
  const { exitCode, stdout, stderr } = await run("echo out; echo err >&2; exit 3")
  return `${exitCode}, ${stdout.trim()}, ${stderr.trim()}`
}

/** Whether a process with these arguments is there. */
const isThere = async ({ run }: Opened, args: string) => {
  // The pattern does not match itself.
  const pattern = `^[${args.charAt(0)}]${args.slice(1)}`
  const { stdout } = await run(
    `for p in /proc/[0-9]*; do tr '\\0' ' ' < $p/cmdline 2>/dev/null | grep '${pattern}'; done; true`,
  )
  return stdout.includes(args)
}

/** Stops a command that had begun by then, however slow the machine is. */
const stopsProcess = async (opened: Opened, patience: number): Promise<boolean> => {
  for (let attempt = 0; ; attempt++) {
    const args = `sleep ${6000 + attempt}`
    let isOver = false
    const stopped = opened.stopAfter(`exec ${args}`, 1000 * 2 ** attempt).finally(() => {
      isOver = true
    })
    let begun = false
    while (!isOver && !begun) {
      const there = await isThere(opened, args)
      begun = there
    }
    await stopped
    if (!begun) continue
    const deadline = performance.now() + patience
    while (await isThere(opened, args)) {
      if (performance.now() > deadline) return false
      await waitFor(100)
    }
    return true
  }
}

/**
 * Runs a sandbox through all probes.
 * @param patience Milliseconds within which a stopped command's process has to be gone.
 */
export const examine = async (
  open: (env: Readonly<Record<string, string>>) => Promise<Opened>,
  patience: number,
): Promise<Findings> => {
  const secret = randomUUID()
  await using opened = await open({ [variable]: secret })
  return {
    ...(await inspected(opened.container, secret)),
    ...(await seen(opened, secret)),
    outcome: await outcomeOf(opened),
    stoppedCommandEnds: await stopsProcess(opened, patience),
  }
}
