import { createSandboxes, type EgressRules } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { egressBroker } from "@cordon/egress"
import { Redacted } from "effect"
import { assert, describe, it } from "vitest"
import { noEngine } from "../support/docker.ts"
import { skipped } from "../support/skipped.ts"
import { needs } from "../support/skips.ts"
import { leaksOf } from "./leaks.ts"
import { keys, startServices } from "./services.ts"

const image = process.env["CORDON_TEST_LANGUAGES_IMAGE"]
const noLanguages =
  image === undefined
    ? needs("an image", "CORDON_TEST_LANGUAGES_IMAGE is not set, as CI does")
    : undefined

/** A sandbox with Java, npm and pip, whose registries and API want keys. */
const start = async (stack: AsyncDisposableStack) => {
  const services = stack.use(await startServices())
  const at = (name: string) => `${name}:${services.port}`
  const secret = (text: string) => Redacted.make(text)
  const sandboxes = stack.use(
    createSandboxes({
      driver: docker(),
      image: image ?? "",
      sessionId: `egress-${process.pid}-languages`,
      egressBroker: egressBroker({ hosts: services.hosts, ca: [services.ca] }),
    }),
  )
  const egress: EgressRules = {
    allow: {
      [at("npm.test")]: { secrets: { NPM_TOKEN: secret(keys.npm) } },
      [at("python.test")]: { secrets: { PIP_TOKEN: secret(keys.python) } },
      [at("api.test")]: { headers: { authorization: secret(`Bearer ${keys.api}`) } },
    },
    allowAddresses: ["127.0.0.0/8"],
  }
  return { services, at, sandbox: stack.use(await sandboxes.create({ egress })) }
}

const suite = (name: string, run: () => Promise<void>) => {
  const why = noEngine ?? noLanguages
  if (why !== undefined) skipped(name, why)
  else it(name, run, 120_000)
}

describe("packages install from a private registry whose key is not inside the sandbox", () => {
  suite("with npm and pip", async () => {
    await using stack = new AsyncDisposableStack()
    const { at, sandbox } = await start(stack)
    const npm = await sandbox.run(
      `set -e
      printf '%s\\n' 'registry=https://${at("npm.test")}/' '//${at("npm.test")}/:_authToken=\${NPM_TOKEN}' >~/.npmrc
      npm install --silent --no-audit --no-fund @acme/private-tool
      node_modules/.bin/private-tool`,
      { timeout: "1 minute" },
    )
    assert.strictEqual(npm.stdout.trim().split("\n").at(-1), "from npm")
    const pip = await sandbox.run(
      `set -e
      pip3 install --quiet --no-build-isolation --target modules --index-url "https://reader:$PIP_TOKEN@${at("python.test")}/simple/" private-tool
      PYTHONPATH=modules python3 -m private_tool`,
      { timeout: "1 minute" },
    )
    assert.strictEqual(pip.stdout.trim().split("\n").at(-1), "from pip")
    assert.deepStrictEqual(await leaksOf(sandbox), [])
  })
})

describe("Java trusts the CA of the egress proxy", () => {
  // Its own loader of lists of revoked certificates takes them from any address, by Java's usual client.
  const ask = (address: string) => `keytool -printcrl -file https://${address}/java 2>&1; true`

  suite("beside the image's own CAs, also after a restart", async () => {
    await using stack = new AsyncDisposableStack()
    const { at, sandbox, services } = await start(stack)
    const aliases = async () => {
      const list = "keytool -list -cacerts -storepass changeit 2>/dev/null | grep -o '^[a-z-]*,'"
      const { stdout } = await sandbox.run(list, { user: "root" })
      return stdout.trim().split("\n").sort()
    }
    for (const _ of ["first", "again"]) {
      services.seen.length = 0
      await sandbox.run(ask(at("api.test")))
      assert.include(services.seen, "GET api.test/java")
      assert.deepStrictEqual(await aliases(), ["cordon-egress,", "own,"])
      await sandbox.stop()
      await sandbox.start()
      await sandbox.ports.wait(3128)
    }
    // Without it, there is no way to the same address.
    services.seen.length = 0
    await sandbox.run(
      `cp -L /etc/cordon/java-own* /tmp/own && export JAVA_TOOL_OPTIONS="$JAVA_TOOL_OPTIONS -Djavax.net.ssl.trustStore=/tmp/own"; ${ask(at("api.test"))}`,
    )
    assert.isEmpty(services.seen)
  })
})
