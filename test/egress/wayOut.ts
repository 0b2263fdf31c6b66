import { once } from "node:events"
import { createServer } from "node:http"
import {
  type CreateSandboxesOptions,
  createSandboxes,
  type EgressAttempt,
  type PromiseSandbox,
} from "@cordon/core"
import { egressBroker } from "@cordon/egress"
import { assert } from "vitest"
import { portOf } from "../support/portOf.ts"

/** What a program inside hears that asks the proxy for an address. */
const heard = async (sandbox: PromiseSandbox, url: string): Promise<string> => {
  const { host } = new URL(url)
  const script = `exec 3<>"/dev/tcp/127.0.0.1/3128" || exit 7
    printf 'GET ${url} HTTP/1.0\\r\\nHost: ${host}\\r\\n\\r\\n' >&3 && timeout 20 cat <&3`
  return (await sandbox.exec(["bash", "-c", script])).stdout
}

/** A sandbox goes out by rules that change, on whatever engine, and nowhere once no program is its way out. */
export const wayOut = async (
  options: Pick<CreateSandboxesOptions, "driver" | "image" | "runtime">,
): Promise<void> => {
  await using stack = new AsyncDisposableStack()
  const server = createServer((request, response) =>
    response.end(`${request.method} ${request.url} for ${request.headers.host}`),
  ).listen(0, "127.0.0.1")
  stack.defer(() => void server.close())
  await once(server, "listening")
  const port = portOf(server)
  const told: Array<EgressAttempt> = []
  const allow = { [`good.test:${port}`]: { methods: ["GET"], paths: ["/open/**"] } }
  const allowAddresses = ["127.0.0.0/8"]
  const program = () =>
    stack.use(
      createSandboxes({
        ...options,
        sessionId: `egress-${process.pid}-${port}`,
        removeOnClose: false,
        egressBroker: egressBroker({
          hosts: { "good.test": "127.0.0.1" },
          onAttempt: (attempt) => void told.push(attempt),
        }),
      }),
    )

  const first = program()
  const sandbox = await first.create({ name: "box", egress: { allow, allowAddresses } })
  let last = sandbox
  stack.defer(async () => {
    await using ending = createSandboxes({ ...options, sessionId: first.sessionId })
    await ending.get("box").then((box) => box.remove())
  })
  assert.strictEqual(sandbox.info.network, "none")
  const at = (path: string) => heard(last, `http://good.test:${port}${path}`)
  assert.match(await at("/open/a"), new RegExp(`200 OK.*GET /open/a for good.test:${port}$`, "s"))
  assert.match(await at("/closed"), /^HTTP\/1.1 403 .*The operator of this sandbox decides/s)
  await sandbox.egress.update({ allow: { [`good.test:${port}`]: {} }, allowAddresses })
  assert.match(await at("/closed"), /200 OK/)
  await sandbox.egress.update({ allow: {} })
  assert.match(await at("/open/a"), /^HTTP\/1.1 403 /)
  // As the network of a sandbox is, the way is there again when the sandbox is.
  await sandbox.egress.update({ allow, allowAddresses })
  await sandbox.stop()
  await sandbox.start()
  await sandbox.ports.wait(3128)
  assert.match(await at("/open/a"), /200 OK/)
  const expected = [
    ["/open/a", "done", 200],
    ["/closed", "refused", undefined],
    ["/closed", "done", 200],
    ["/open/a", "refused", undefined],
    ["/open/a", "done", 200],
  ]
  const shown = (attempts: ReadonlyArray<EgressAttempt>) =>
    attempts.map(({ path, outcome, status }) => [path, outcome, status])
  assert.deepStrictEqual(shown(await sandbox.egress.attempts()), expected)
  assert.deepStrictEqual(shown(told), expected)

  // Where the program ends nothing gets out, until one says the rules again.
  await first.close()
  const second = program()
  last = await second.get("box")
  assert.isUndefined(last.egress.rules)
  assert.strictEqual(await at("/open/a"), "")
  last = await second.get("box", { egress: { allow, allowAddresses } })
  assert.deepStrictEqual(last.egress.rules, { allow, allowAddresses })
  assert.match(await at("/open/a"), /200 OK/)
}
