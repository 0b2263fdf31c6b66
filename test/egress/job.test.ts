import { closeSync, openSync, readFileSync, readSync } from "node:fs"
import { buffer } from "node:stream/consumers"
import { setTimeout } from "node:timers/promises"
import { createSandboxes, type EgressRules, type PromiseSandbox } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { egressBroker } from "@cordon/egress"
import Dockerode from "dockerode"
import { Redacted } from "effect"
import { assert, describe, it } from "vitest"
import { noEngine, noGvisor, socketPath } from "../support/docker.ts"
import { skipped } from "../support/skipped.ts"
import { needs } from "../support/skips.ts"
import { keys, startServices } from "./services.ts"

const image = process.env["CORDON_TEST_GIT_IMAGE"]
const noGit =
  image === undefined
    ? needs("an image", "CORDON_TEST_GIT_IMAGE is not set, as CI does")
    : undefined

/** What the memory of a process holds, as the host sees it. */
const memoryOf = (pid: number): Buffer => {
  const memory = openSync(`/proc/${pid}/mem`, "r")
  const regionOf = (line: string) => {
    const [, from, to] = /^([0-9a-f]+)-([0-9a-f]+) r/.exec(line) ?? []
    // The kernel's own pages are not to be read by this way.
    if (from === undefined || to === undefined || line.includes("[v")) return []
    const start = BigInt(`0x${from}`)
    const region = Buffer.alloc(Number(BigInt(`0x${to}`) - start))
    return [region.subarray(0, readSync(memory, region, 0, region.length, start))]
  }
  try {
    return Buffer.concat(readFileSync(`/proc/${pid}/maps`, "latin1").split("\n").flatMap(regionOf))
  } finally {
    closeSync(memory)
  }
}

/** Of all processes of a container. gVisor keeps them in memory of its own, which is too much to be read. */
const memoriesOf = async (container: Dockerode.Container, isGvisor: boolean) => {
  if (isGvisor) return Buffer.alloc(0)
  const { Processes, Titles } = await container.top()
  const column = Titles.indexOf("PID")
  const pids = Processes.map((row: ReadonlyArray<string>) => Number(row[column]))
  const memories = Buffer.concat(pids.map(memoryOf))
  // What is searched is what is there.
  assert.isTrue(memories.includes("cordon_"))
  return memories
}

/** Where a key is found: in the engine's answers, the sandbox's files, its environment and what its processes hold. */
const leaksOf = async (sandbox: PromiseSandbox) => {
  const engine = new Dockerode({ socketPath })
  const container = engine.getContainer(sandbox.info.instanceId)
  const inspected = await container.inspect()
  // Process 1 shows its own to nobody inside.
  const shown = "cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline 2>/dev/null; true"
  const environment = await sandbox.run(shown, { user: "root" })
  const places: Record<string, Buffer> = {
    inspect: Buffer.from(JSON.stringify(inspected)),
    image: Buffer.from(JSON.stringify(await engine.getImage(inspected.Image).inspect())),
    history: Buffer.from(JSON.stringify(await engine.getImage(inspected.Image).history())),
    list: Buffer.from(JSON.stringify(await engine.listContainers({ all: true }))),
    environment: Buffer.from(environment.stdout, "latin1"),
    files: await buffer(await container.export()),
    memory: await memoriesOf(container, sandbox.info.runtime === "gvisor"),
  }
  // What is searched is what is there: the placeholders stand in these.
  for (const place of ["inspect", "environment"]) {
    assert.isTrue(places[place]?.includes("GIT_TOKEN=cordon_"), place)
  }
  return Object.entries(places).flatMap(([place, bytes]) =>
    Object.values(keys).flatMap((key) =>
      [key, Buffer.from(`:${key}`).toString("base64").slice(2, -4)].some((text) =>
        bytes.includes(text),
      )
        ? [`${key} in ${place}`]
        : [],
    ),
  )
}

const suite = (runtime: "runc" | "gvisor") => async () => {
  await using services = await startServices()
  const at = (name: string) => `${name}:${services.port}`
  const secret = (text: string) => Redacted.make(text)
  const reader = Buffer.from(`reader:${keys.packages}`).toString("base64")
  const rules: EgressRules = {
    allow: {
      [at("git.test")]: { secrets: { GIT_TOKEN: secret(keys.git) } },
      [at("packages.test")]: {
        methods: ["GET"],
        headers: { authorization: secret(`Basic ${reader}`) },
      },
      [at("api.test")]: {
        paths: ["/v1/**"],
        headers: { authorization: secret(`Bearer ${keys.api}`) },
      },
    },
    allowAddresses: ["127.0.0.0/8"],
  }
  await using sandboxes = createSandboxes({
    driver: docker(),
    image: image ?? "",
    sessionId: `egress-${process.pid}-${runtime}`,
    egressBroker: egressBroker({ hosts: services.hosts, ca: [services.ca] }),
  })
  await using sandbox = await sandboxes.create({ runtime, egress: rules })

  await sandbox.run(`
    set -e
    git clone -q "https://x-access-token:$GIT_TOKEN@${at("git.test")}/app.git" app
    cd app
    test "$(cat README)" = private
    echo more >>README
    git -c user.name=a -c user.email=a@b.test commit -qam second
    git push -q`)
  assert.deepStrictEqual(services.log(), ["second", "first"])

  const installed = await sandbox.run(
    `set -e
    echo "deb [trusted=yes] https://${at("packages.test")} ./" >/etc/apt/sources.list
    rm -rf /etc/apt/sources.list.d
    apt-get -qq update
    apt-get -qq install -y private-tool >/dev/null
    private-tool`,
    { user: "root", timeout: "2 minutes" },
  )
  assert.strictEqual(installed.stdout, "from the registry\n")

  const fetch = (path: string) =>
    sandbox.exec([
      "/usr/lib/apt/apt-helper",
      "-oAcquire::Retries=0",
      "download-file",
      `https://${path}`,
      "/tmp/answer",
    ])
  assert.strictEqual((await fetch(`${at("api.test")}/v1/models`)).exitCode, 0)
  const answer = await sandbox.files.readText("/tmp/answer")
  assert.match(answer, /^answered with Bearer \*+\n$/)
  for (const refused of [
    `${at("api.test")}/admin`,
    `${at("unlisted.test")}/`,
    "169.254.169.254/",
  ]) {
    assert.notStrictEqual((await fetch(refused)).exitCode, 0, refused)
  }
  assert.isFalse(services.seen.some((line) => /admin|unlisted/.test(line)))

  // Something that has just used a key, and runs.
  const user = await sandbox.processes.start(
    `git ls-remote "https://x-access-token:$GIT_TOKEN@${at("git.test")}/app.git" && exec sleep 1000`,
  )
  while ((await user.logs()).stdout === "") await setTimeout(100)
  assert.deepStrictEqual(await leaksOf(sandbox), [])

  // A fork has the same rules, and placeholders of its own.
  if (runtime === "runc") {
    await using fork = await sandbox.fork()
    const remote = `https://x-access-token:$GIT_TOKEN@${at("git.test")}/app.git`
    assert.strictEqual((await fork.run(`git ls-remote "${remote}" | wc -l`)).stdout.trim(), "2")
    const { stdout: taken } = await sandbox.run('printf %s "$GIT_TOKEN"')
    const stolen = await fork.exec(`git ls-remote "${remote.replace("$GIT_TOKEN", taken)}"`)
    assert.notStrictEqual(stolen.exitCode, 0)
  }

  // The rules change at once: a key is replaced, and then all is closed.
  await sandbox.egress.update({
    ...rules,
    allow: { [at("api.test")]: { headers: { authorization: secret("Bearer another") } } },
  })
  assert.notStrictEqual((await fetch(`${at("api.test")}/v1/models`)).exitCode, 0)
  await sandbox.egress.update(rules)
  assert.strictEqual((await fetch(`${at("api.test")}/v1/models`)).exitCode, 0)
  await sandbox.egress.update({ allow: {} })
  assert.notStrictEqual((await fetch(`${at("api.test")}/v1/models`)).exitCode, 0)
}

describe("a job that needs three keys is done with none of them inside", () => {
  for (const [runtime, lack] of [
    ["runc", undefined],
    ["gvisor", noGvisor],
  ] as const) {
    const why = noEngine ?? noGit ?? lack
    if (why !== undefined) skipped(`with ${runtime}`, why)
    else it(`with ${runtime}`, suite(runtime), 240_000)
  }
})
