import { createSandboxes } from "@cordon/core"
import { DockerEngine } from "@cordon/driver-docker"
import { dockerRemote, layerEngine } from "@cordon/driver-docker-remote"
import { assert, describe, it } from "@effect/vitest"
import { ConfigProvider, Effect } from "effect"
import { afterAll } from "vitest"
import { driverContract } from "../contract/index.ts"
import { engine, image } from "../docker/support.ts"
import { freshSessionId } from "../support/sandbox.ts"
import { skipped } from "../support/skipped.ts"
import { noSshd, startSshd } from "../support/sshd.ts"

const sshd = noSshd === undefined ? await startSshd() : undefined
afterAll(() => sshd?.[Symbol.asyncDispose]())
const sshConfig = sshd?.config ?? "/dev/null"

driverContract("docker-remote over ssh", {
  layer: dockerRemote({ host: "ssh://engine", sshConfig }),
  image,
  unavailable: noSshd,
  runs: 2,
})

const versionAt = (host: string, env: Record<string, string> = {}, connectTimeout = 10_000) =>
  Effect.flatMap(DockerEngine, ({ version }) => version).pipe(
    Effect.provide(
      layerEngine({ ...(host === "" ? {} : { host }), sshConfig, connectTimeout, retries: 1 }),
    ),
    Effect.provideService(ConfigProvider.ConfigProvider, ConfigProvider.fromUnknown(env)),
  )

describe("an engine over ssh", () => {
  const test = (title: string, body: () => Effect.Effect<unknown, unknown>, timeout = 60_000) =>
    noSshd === undefined ? it.live(title, body, timeout) : skipped(title, noSshd)

  const until = (is: () => boolean) =>
    Effect.promise(async () => {
      while (!is()) await new Promise((resolve) => setTimeout(resolve, 50))
    })

  test("is found through DOCKER_HOST, with a user and a port", () =>
    Effect.gen(function* () {
      const { Version } = yield* Effect.promise(() => engine.version())
      for (const env of [
        { DOCKER_HOST: "ssh://engine" },
        { CONTAINER_SANDBOX_DOCKER_HOST: `ssh://root@engine:${sshd?.port}` },
        { DOCKER_HOST: "ssh://engine/var/run/docker.sock" },
        // It shares one connection, as its configuration says, and forwards no port.
        { DOCKER_HOST: "ssh://shared" },
        { DOCKER_HOST: "ssh://shared" },
        { DOCKER_HOST: "ssh://forwarding" },
      ]) {
        assert.strictEqual((yield* versionAt("", env)).Version, Version, JSON.stringify(env))
      }
    }))

  const failures: ReadonlyArray<readonly [host: string, says: RegExp]> = [
    ["unknown", /does not know its host key/],
    ["changed", /finds another host key there/],
    ["stranger", /refuses our key/],
    ["refusing", /nothing listens at ssh's port/],
    ["nowhere", /can't resolve its host name/],
    ["lacking", /no docker client on its PATH/],
    ["old", /older than 18\.09/],
    ["dead", /no engine runs there/],
    ["noisy", /something else than an engine writes/],
  ]
  for (const [host, says] of failures) {
    test(`gives an error that says what to do when the host is ${host}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(versionAt(`ssh://${host}`))
        assert.strictEqual(error._tag, "EngineUnreachable")
        assert.match(error.message, says)
      }))
  }

  for (const host of ["silent", "hanging"]) {
    test(`fails in time when the host is ${host}`, () =>
      Effect.gen(function* () {
        const error = yield* Effect.flip(versionAt(`ssh://${host}`, {}, 1500))
        assert.strictEqual(error._tag, "EngineUnreachable")
        assert.match(error.message, /within 1\.5 s|no answer from its host in time/)
        yield* until(() => sshd?.connections().length === 0)
      }))
  }

  test(
    "runs many sandboxes at once, and leaves no ssh process behind",
    () =>
      Effect.promise(async () => {
        {
          await using sandboxes = createSandboxes({
            driver: dockerRemote({ host: "ssh://engine", sshConfig }),
            sessionId: freshSessionId(),
            image,
            network: "none",
            limits: { memory: "64MiB", cpus: 0.1, pids: 64 },
          })
          const made = await Promise.all(Array.from({ length: 12 }, () => sandboxes.create()))
          const said = await Promise.all(made.map((sandbox) => sandbox.run("echo $((6 * 7))")))
          assert.deepStrictEqual(new Set(said.map(({ stdout }) => stdout)), new Set(["42\n"]))
          // All connections are cut: what was under way is lost with its call, and the next one is made anew.
          for (const pid of sshd?.connections() ?? []) process.kill(pid, "SIGKILL")
          const [first] = made
          const again = () => first?.run("echo again")
          const answer = await Promise.resolve(again()).catch(again)
          assert.strictEqual(answer?.stdout, "again\n")
        }
        while (sshd?.connections().length !== 0) await new Promise((done) => setTimeout(done, 50))
      }),
    120_000,
  )
})

describe("an ssh address", () => {
  const refused: ReadonlyArray<readonly [host: string, says: RegExp]> = [
    ["ssh://-oProxyCommand=touch%20owned", /host name|look like/],
    ["ssh://user@-oProxyCommand=x", /host name|look like/],
    ["ssh://-lroot@host", /user name/],
    ["ssh://$(id)@host", /user name/],
    ["ssh://a;id@host", /user name/],
    ["ssh://host;id", /host name|look like/],
    ["ssh://`id`", /host name|look like/],
    ["ssh://me:s3cret@host", /not have a password/],
    ["ssh://host/a b.sock", /path/],
    ["ssh://host/$(id)", /path/],
    ["ssh://host/-x", /path/],
    ["ssh://host?a=b", /query/],
    ["ssh://", /look like/],
    ["ssh://host:99999", /look like/],
  ]
  it.live.each(refused)("that ssh or a shell could misread is refused: %s", ([host, says]) =>
    Effect.gen(function* () {
      const error = yield* Effect.flip(versionAt(host))
      assert.match(error.message, says)
      assert.notInclude(error.message, "s3cret")
    }),
  )
})
