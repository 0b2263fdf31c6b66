import { setTimeout } from "node:timers/promises"
import { createSandboxes, type EgressRules } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { egressBroker } from "@cordon/egress"
import { Redacted } from "effect"
import { assert, describe, it } from "vitest"
import { noEngine, noGvisor } from "../support/docker.ts"
import { skipped } from "../support/skipped.ts"
import { needs } from "../support/skips.ts"
import { leaksOf } from "./leaks.ts"
import { keys, startServices } from "./services.ts"

const image = process.env["CORDON_TEST_GIT_IMAGE"]
const noGit =
  image === undefined
    ? needs("an image", "CORDON_TEST_GIT_IMAGE is not set, as CI does")
    : undefined

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

describe("a job that needs three keys succeeds, and none of them is inside the sandbox", () => {
  for (const [runtime, lack] of [
    ["runc", undefined],
    ["gvisor", noGvisor],
  ] as const) {
    const why = noEngine ?? noGit ?? lack
    if (why !== undefined) skipped(`with ${runtime}`, why)
    else it(`with ${runtime}`, suite(runtime), 240_000)
  }
})
