import { type CreateSandboxesOptions, createSandboxes, type PromiseSandbox } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { egressBroker } from "@cordon/egress"
import { assert, describe, it } from "vitest"
import { noEngine } from "../support/docker.ts"
import { skipped } from "../support/skipped.ts"
import { needs } from "../support/skips.ts"

const languages = process.env["CORDON_TEST_LANGUAGES_IMAGE"]
const busybox = process.env["CORDON_TEST_BUSYBOX_IMAGE"]
const without = (name: string) => needs("an image", `${name} is not set, as CI does`)

const suite = (
  title: string,
  image: string | undefined,
  name: string,
  run: (image: string) => Promise<void>,
) => {
  if (noEngine !== undefined) skipped(title, noEngine)
  else if (image === undefined) skipped(title, without(name))
  else it(title, () => run(image), 120_000)
}

const folder = "/srv/planted"
const system = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
const user = "1000:1000"
const root = { user: "root" }

let count = 0
/** A sandbox that has a folder of its user in PATH before the system's, and the user's own Java in JAVA_HOME. */
const start = async (stack: AsyncDisposableStack, image: string) => {
  const options: CreateSandboxesOptions = {
    driver: docker(),
    image,
    sessionId: `planted-${process.pid}-${count++}`,
    egressBroker: egressBroker(),
  }
  const sandboxes = stack.use(createSandboxes(options))
  const env = { PATH: `${folder}/bin:${system}`, JAVA_HOME: `${folder}/java` }
  const sandbox = await sandboxes.create({ name: "box", network: "none", env })
  await own(sandbox, `mkdir -p ${folder} && chown ${user} ${folder}`)
  /** Stops and starts it, and gives it rules as a program does that was started anew. */
  const startAgain = async () => {
    await own(sandbox, "rm -f /etc/cordon/egress-ca-bundle.pem")
    await sandbox.stop()
    await sandbox.start()
    await using program = createSandboxes({ ...options, removeOnClose: false })
    await program.get("box", { egress: { allow: {} } })
    // The script did its work.
    assert.match(await own(sandbox, "cat /etc/cordon/egress-ca-bundle.pem"), /BEGIN CERTIFICATE/)
  }
  return { sandbox, startAgain }
}

/** Runs a script as root with the system's programs. */
const own = async (sandbox: PromiseSandbox, script: string) => {
  const { exitCode, stderr, stdout } = await sandbox.run(`PATH=${system}; ${script}`, root)
  assert.strictEqual(exitCode, 0, stderr)
  return stdout
}

/** Writes a program that tells whose it ran as, as the user would. */
const plant = async (sandbox: PromiseSandbox, ...paths: ReadonlyArray<string>) => {
  const script = `set -e
    PATH=${system}
    for path in ${paths.map((path) => `${folder}/${path}`).join(" ")}; do
      mkdir -p "\${path%/*}"
      printf '#!/bin/sh\\n/bin/echo "$0 $(PATH=${system} id -u)" >>/srv/ran\\nexit 0\\n' >"$path"
      chmod 755 "$path"
    done`
  const { exitCode, stderr } = await sandbox.run(script, { user })
  assert.strictEqual(exitCode, 0, stderr)
  await own(sandbox, ": >/srv/ran && chmod 666 /srv/ran")
}

const programs = ["cat", "cp", "mkdir", "rm", "ls", "readlink", "tr", "java"].map(
  (name) => `bin/${name}`,
)

describe("a program that the user of a sandbox plants does not run as root when the proxy's CA is added", () => {
  for (const [image, name] of [
    [languages, "CORDON_TEST_LANGUAGES_IMAGE"],
    [busybox, "CORDON_TEST_BUSYBOX_IMAGE"],
  ] as const) {
    suite(`from a folder in PATH or JAVA_HOME (${name})`, image, name, async (image) => {
      await using stack = new AsyncDisposableStack()
      const { sandbox, startAgain } = await start(stack, image)
      await plant(sandbox, ...programs, "java/bin/keytool", "java/bin/java")
      const store = `${folder}/java/lib/security/cacerts`
      await own(sandbox, `mkdir -p ${store.replace(/\/[^/]*$/, "")} && echo old >${store}`)
      await startAgain()
      assert.strictEqual(await own(sandbox, "cat /srv/ran"), "")
      assert.strictEqual(await own(sandbox, `cat ${store}`), "old\n")
      // Planted programs are found by the user, so the test would see them run.
      await sandbox.run("java -version", { user })
      assert.strictEqual(await own(sandbox, "cat /srv/ran"), `${folder}/bin/java 1000\n`)
    })
  }

  const title = "from a Java of root in a folder that the user can change"
  suite(title, languages, "CORDON_TEST_LANGUAGES_IMAGE", async (image) => {
    await using stack = new AsyncDisposableStack()
    const { sandbox, startAgain } = await start(stack, image)
    await plant(sandbox, "java/bin/keytool")
    await own(
      sandbox,
      `cd ${folder} && mkdir -p java/lib/security && echo old >java/lib/security/cacerts && chown -R 0:0 java`,
    )
    for (const [opened, closed] of [
      [`chown ${user} ${folder}`, ":"],
      [`chown 0:0 ${folder} && chmod 1777 ${folder}`, `chmod 755 ${folder}`],
      [`chmod 775 ${folder}/java`, `chmod 755 ${folder}/java`],
      [`chown ${user} ${folder}/java/bin`, `chown 0:0 ${folder}/java/bin`],
      [`chmod 757 ${folder}/java/bin/keytool`, `chmod 755 ${folder}/java/bin/keytool`],
      [`chown ${user} ${folder}/java/lib`, `chown 0:0 ${folder}/java/lib`],
      [`chmod 666 ${folder}/java/lib/security/cacerts`, "rm -f /etc/cordon/java-own-srv*"],
    ] as const) {
      await own(sandbox, opened)
      await startAgain()
      assert.strictEqual(await own(sandbox, "cat /srv/ran"), "", opened)
      await own(sandbox, closed)
    }
    await own(sandbox, `chmod 644 ${folder}/java/lib/security/cacerts`)
    await startAgain()
    // When nobody else can change it, it is used.
    assert.include(await own(sandbox, "cat /srv/ran"), `${folder}/java/bin/keytool 0`)
  })
})

describe("the proxy's CA is not written", () => {
  suite(
    "where a link that the user can change leads",
    busybox,
    "CORDON_TEST_BUSYBOX_IMAGE",
    async (image) => {
      await using stack = new AsyncDisposableStack()
      const { sandbox, startAgain } = await start(stack, image)
      await own(
        sandbox,
        `set -e
        echo kept >/srv/victim
        ln -s /srv/victim ${folder}/link
        for store in /etc/ssl/certs/ca-certificates.crt /etc/ssl/cert.pem /usr/local/share/ca-certificates/cordon-egress.crt; do
          mkdir -p "\${store%/*}"
          ln -sf ${folder}/link $store
        done
        chown ${user} /usr/local/share/ca-certificates`,
      )
      await startAgain()
      assert.strictEqual(await own(sandbox, "cat /srv/victim"), "kept\n")
      // A link that only root can change is followed.
      await own(
        sandbox,
        "echo old >/srv/store && ln -sf ../../srv/store /etc/ssl/cert.pem && rm -f /etc/cordon/egress-ca-own.pem",
      )
      await startAgain()
      assert.match(await own(sandbox, "cat /srv/store"), /old.*BEGIN CERTIFICATE/s)
      assert.strictEqual(await own(sandbox, "cat /srv/victim"), "kept\n")
    },
  )
})
