import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import {
  type CordonError,
  createSandboxes,
  type PromiseSandboxes,
  type SandboxDriver,
  type SettingsInput,
} from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { dockerRemote } from "@cordon/driver-docker-remote"
import { dockerSwarm } from "@cordon/driver-docker-swarm"
import { assert, describe, it } from "@effect/vitest"
import type Dockerode from "dockerode"
import { type Layer, Redacted } from "effect"
import { afterAll } from "vitest"
import { engine as localEngine } from "../docker/support.ts"
import { noEngineContainers, startEngine } from "../support/engineContainer.ts"
import { startFaultProxy } from "../support/faultProxy.ts"
import { noPrivateRegistry, owner, startPrivateRegistry } from "../support/privateRegistry.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"

// Read once: what this user is logged in with is nobody's business here.
const folder = mkdtempSync(join(tmpdir(), "cordon-docker-config-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
process.env["DOCKER_CONFIG"] = folder
process.env["PATH"] = `${join(folder, "bin")}${delimiter}${process.env["PATH"]}`

const small = process.env["CORDON_TEST_BUSYBOX_IMAGE"] ?? "busybox"
const registry = noPrivateRegistry === undefined ? await startPrivateRegistry() : undefined
await registry?.publish(small, "team/private")
afterAll(() => registry?.[Symbol.asyncDispose]())

const lacking = noPrivateRegistry ?? noEngineContainers
const remote = lacking === undefined ? await startEngine({ tls: true }) : undefined
afterAll(() => remote?.stop())
// Loopback is another one where that engine is.
const forwarded =
  remote === undefined || registry === undefined
    ? undefined
    : await startFaultProxy({ host: "127.0.0.1", port: registry.port }, remote.machine)
afterAll(() => forwarded?.close())
const endpoint = `tcp://127.0.0.1:${remote?.port}`
const tls = remote?.tls ?? {}

const beSwarm = async (client: Dockerode) => {
  await client.swarmInit({ ListenAddr: "127.0.0.1:2377", AdvertiseAddr: "127.0.0.1" })
  const [node] = await client.listNodes()
  const Labels = { "dev.cordon.runtime": "runc", "dev.cordon.engine": endpoint }
  await client.getNode(node?.ID ?? "").update({
    version: node?.Version?.Index,
    Role: "manager",
    Availability: "active",
    Labels,
  })
}
if (remote !== undefined) await beSwarm(remote.client)

interface Host {
  readonly name: string
  readonly missing: string | undefined
  readonly driver: () => Layer.Layer<SandboxDriver, CordonError>
  readonly client: Dockerode | undefined
  /** The registry as this engine reaches it. */
  readonly address: string
}

const far = {
  missing: lacking,
  client: remote?.client,
  address: `${remote?.machine}:${forwarded?.port}`,
}
const hosts: ReadonlyArray<Host> = [
  {
    name: "docker",
    missing: noPrivateRegistry,
    driver: () => docker(),
    client: localEngine,
    address: registry?.address ?? "",
  },
  { name: "docker-remote", driver: () => dockerRemote({ host: endpoint, tls }), ...far },
  { name: "docker-swarm", driver: () => dockerSwarm({ managers: [endpoint], tls }), ...far },
]

const wrong = { username: owner.username, password: Redacted.make("wr0ng-password") }
const right = { username: owner.username, password: Redacted.make(owner.password) }

const failureOf = async (creation: Promise<unknown>): Promise<CordonError> => {
  const error: unknown = await creation.then(
    () => new Error("it was created"),
    (error) => error,
  )
  assert.instanceOf(error, Error)
  for (const text of [error.message, JSON.stringify(error), error.stack ?? ""]) {
    assert.notMatch(text, /open-sesame|wr0ng/)
  }
  return error as CordonError
}

const reasonOf = async (creation: Promise<unknown>) => {
  const error = await failureOf(creation)
  return error._tag === "ImagePullFailed" ? error.reason : error.message
}

for (const { name, missing, driver, client, address } of hosts) {
  describe(`an image from a registry with a password, on ${name}`, () => {
    const image = `${address}/team/private:1`
    const limits = { memory: "64MiB", cpus: 0.1, pids: 64 } as const
    const logged: Array<string> = []

    const test = (
      title: string,
      settings: SettingsInput,
      body: (sandboxes: PromiseSandboxes) => Promise<void>,
    ) => {
      if (missing !== undefined) return skipped(title, missing)
      it(title, async () => {
        await client
          ?.getImage(image)
          .remove({ force: true })
          .catch(() => undefined)
        const allow = { registries: [address] }
        const logger = (...line: ReadonlyArray<unknown>) => void logged.push(JSON.stringify(line))
        await using sandboxes = createSandboxes({
          driver: driver(),
          sessionId: freshSessionId(),
          network: "none",
          limits,
          allow,
          logger,
          logLevel: "debug",
          ...settings,
        })
        await body(sandboxes)
        assert.notMatch(logged.join("\n"), /open-sesame|wr0ng/)
      }, 120_000)
    }
    const withRight = { image, registryCredentials: { [address]: right } }
    const withWrong = { image, registryCredentials: { [address]: wrong } }

    test("is pulled with the credentials of a creation, and not for others without them", {}, async (box) => {
      assert.strictEqual(await reasonOf(box.create({ image })), "login")
      assert.strictEqual(await reasonOf(box.create(withWrong)), "credentials")
      // All at once: what one pulls, the others do not get.
      const [first, ...refused] = await Promise.allSettled([
        box.create(withRight),
        box.create({ image }),
        box.create(withWrong),
        box.create({ image }),
      ])
      assert.strictEqual(first?.status, "fulfilled")
      const reasons = refused.map((one) => one.status === "rejected" && one.reason.reason)
      assert.deepStrictEqual(reasons, ["login", "credentials", "login"])
      assert.strictEqual(await reasonOf(box.create({ image })), "login")
      assert.strictEqual(await reasonOf(box.create(withWrong)), "credentials")
      const other = { image, registryCredentials: { "ghcr.io": right } }
      assert.strictEqual(await reasonOf(box.create(other)), "login")
      const again = await box.create(withRight)
      assert.strictEqual((await again.run("echo works")).stdout, "works\n")
    })

    test("is pulled with the credentials of the settings", {
      registryCredentials: { [address]: right },
    }, async (box) => {
      const sandbox = await box.create({ image })
      const { instanceId } = sandbox.info
      const kept = await (name === "docker-swarm"
        ? client?.getService(instanceId).inspect()
        : client?.getContainer(instanceId).inspect())
      const seen = JSON.stringify([kept, await client?.getImage(image).inspect()])
      assert.include(seen, "team/private")
      assert.notInclude(seen, owner.password)
      assert.notInclude(seen, Buffer.from(owner.password).toString("base64").slice(0, 12))
      assert.strictEqual(await reasonOf(box.create(withWrong)), "credentials")
    })

    test("is not pulled with wrong credentials of the settings", {
      registryCredentials: { [address]: wrong },
    }, async (box) => {
      const error = await failureOf(box.create({ image }))
      assert.deepInclude(error, { _tag: "ImagePullFailed", reason: "credentials" })
      assert.match(error.message, /refuses the credentials; check that they are correct/)
    })

    test('is requested from the registry each time with pull: "always"', {
      pull: "always",
    }, async (box) => {
      await box.create(withRight)
      assert.strictEqual(await reasonOf(box.create({ image })), "login")
    })

    if (name === "docker-swarm") return

    test("can be snapshotted, and created from the snapshot without credentials", {}, async (box) => {
      const sandbox = await box.create(withRight)
      await sandbox.files.write("note", "kept")
      await sandbox.snapshot("mine")
      const fork = await box.create({ snapshot: "mine" })
      assert.strictEqual(await fork.files.readText("note"), "kept")
      await fork.remove()
      await box.snapshots.remove("mine")
    })
  })
}

describe("an image from a registry with a password, with Docker's configuration having", () => {
  const image = `${registry?.address}/team/private:1`
  const address = registry?.address ?? ""
  const helper = (name: string, script: string) => {
    const path = join(folder, "bin", `docker-credential-${name}`)
    mkdirSync(join(folder, "bin"), { recursive: true })
    writeFileSync(path, `#!/bin/sh\n${script}\n`)
    chmodSync(path, 0o755)
  }
  // As keychains do: it answers about the registry that it reads of its input.
  const knows = `read -r url; [ "$1" = get ] && [ "$url" = "${address}" ] && echo '{"ServerURL":"x","Username":"${owner.username}","Secret":"${owner.password}"}' && exit
echo "credentials not found in native keychain"; exit 1`

  const inBase64 = Buffer.from(`${owner.username}:${owner.password}`).toString("base64")
  const cases: ReadonlyArray<readonly [string, unknown, string]> = [
    ["a login in the file", { auths: { [address]: { auth: inBase64 } } }, "works"],
    [
      "a login of an older docker",
      { auths: { [`https://${address}/v1/`]: { auth: inBase64 } } },
      "works",
    ],
    ["a store of credentials", { auths: { [address]: {} }, credsStore: "knows" }, "works"],
    [
      "a helper of the registry",
      { credsStore: "broken", credHelpers: { [address]: "knows" } },
      "works",
    ],
    ["a helper of another registry", { credHelpers: { "ghcr.io": "knows" } }, "login"],
    ["a login for another registry", { auths: { "ghcr.io": { auth: inBase64 } } }, "login"],
    ["a helper that has nothing", { credHelpers: { [address]: "empty" } }, "login"],
    ["a helper that fails", { credsStore: "broken" }, "helper"],
    ["a helper that is not there", { credsStore: "missing" }, "helper"],
    ["a helper that is a path", { credsStore: "../../../bin/knows" }, "helper"],
    ["a login that expired", { auths: { [address]: { identitytoken: "x" } } }, "credentials"],
  ]
  for (const [title, config, expected] of cases) {
    const name = `${title}: ${expected}`
    if (noPrivateRegistry !== undefined) {
      skipped(name, noPrivateRegistry)
      continue
    }
    it(name, async () => {
      helper("knows", knows)
      helper("empty", `echo "credentials not found in native keychain"; exit 1`)
      helper("broken", `echo ${owner.password} >&2; exit 2`)
      writeFileSync(join(folder, "config.json"), JSON.stringify(config))
      await localEngine
        .getImage(image)
        .remove({ force: true })
        .catch(() => undefined)
      await using sandboxes = createSandboxes({
        driver: docker({ warmPool: 1 }),
        sessionId: freshSessionId(),
        network: "none",
        image,
      })
      const said = await sandboxes
        .create()
        .then((sandbox) => sandbox.run("echo works"))
        .then(
          ({ stdout }) => stdout.trim(),
          (error) => error.reason ?? error,
        )
      assert.strictEqual(said, expected)
      // Another one, of the warm pool perhaps.
      if (expected === "works") await sandboxes.create()
    }, 60_000)
  }
})
