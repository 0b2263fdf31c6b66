import type { Findings } from "./findings.ts"

/** What a framework's provider and ours do, as the page says. */
export interface Recorded extends Findings {
  /** What becomes of the container when its program is killed. */
  readonly afterKill: "runs on" | "is removed"
}

/** Cordon's, whatever the framework: these hold. */
export const cordon: Recorded = {
  memoryLimit: true,
  processLimit: true,
  cpuLimit: true,
  capabilities: 7,
  noNewPrivileges: true,
  sharedNetwork: false,
  hostGateway: true,
  metadataAddress: false,
  dockerSocket: false,
  hostFolders: 0,
  secretInInspect: false,
  outcome: "3, out, err",
  stoppedCommandEnds: true,
  afterKill: "is removed",
}

/** A container as `docker run` makes it. */
const plain: Recorded = {
  memoryLimit: false,
  processLimit: false,
  cpuLimit: false,
  capabilities: 14,
  noNewPrivileges: false,
  sharedNetwork: true,
  hostGateway: true,
  metadataAddress: true,
  dockerSocket: false,
  hostFolders: 0,
  secretInInspect: false,
  outcome: "3, out, err",
  stoppedCommandEnds: false,
  afterKill: "runs on",
}

/** The frameworks' providers, by the frameworks' names. */
export const theirs: Readonly<Record<string, Recorded>> = {
  "OpenAI Agents SDK": { ...plain, hostFolders: 1, secretInInspect: true },
  Mastra: { ...plain, secretInInspect: true },
  "Strands Agents": plain,
}

const yes = (value: boolean) => (value ? "yes" : "no")

const rows: ReadonlyArray<readonly [string, (of: Recorded) => string]> = [
  ["a memory limit", ({ memoryLimit }) => yes(memoryLimit)],
  ["a limit of processes", ({ processLimit }) => yes(processLimit)],
  ["a limit of CPU time", ({ cpuLimit }) => yes(cpuLimit)],
  ["capabilities that a program can have", ({ capabilities }) => `${capabilities}`],
  ["no new privileges (setuid programs gain nothing)", (of) => yes(of.noNewPrivileges)],
  ["on the engine's network that all containers share", (of) => yes(of.sharedNetwork)],
  ["its network has an address of the host", ({ hostGateway }) => yes(hostGateway)],
  ["requests to a cloud's metadata service leave it", (of) => yes(of.metadataAddress)],
  ["the Docker socket is in it", ({ dockerSocket }) => yes(dockerSocket)],
  ["folders of the host in it", ({ hostFolders }) => `${hostFolders}`],
  ["`docker inspect` shows a secret given as a variable", (of) => yes(of.secretInInspect)],
  ["exit code, standard output, standard error of a command", ({ outcome }) => outcome],
  ["a stopped command's process ends", (of) => yes(of.stoppedCommandEnds)],
  ["its program is killed: the container", ({ afterKill }) => afterKill],
]

/** A framework's table, as the page has it. */
export const tableOf = (provider: Recorded): string =>
  [
    "| with the defaults | theirs | Cordon |",
    "|---|---|---|",
    ...rows.map(([title, of]) => `| ${title} | ${of(provider)} | ${of(cordon)} |`),
  ].join("\n")
