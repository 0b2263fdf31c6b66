import { once } from "node:events"
import { createServer } from "node:http"
import { type CreateSandboxesOptions, createSandboxes, type PromiseSandbox } from "@cordon/core"
import { type EgressAttempt, makeEgress } from "@cordon/egress"
import { assert } from "vitest"
import { portOf } from "../support/portOf.ts"

/** What a program inside hears that asks the proxy for an address. */
const heard = async (sandbox: PromiseSandbox, url: string): Promise<string> => {
  const { host } = new URL(url)
  const script = `exec 3<>"/dev/tcp/127.0.0.1/3128" || exit 7
    printf 'GET ${url} HTTP/1.0\\r\\nHost: ${host}\\r\\n\\r\\n' >&3 && timeout 20 cat <&3`
  return (await sandbox.exec(["bash", "-c", script])).stdout
}

/** A sandbox without a network goes out by rules that change, on whatever engine. */
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
  const attempts: Array<EgressAttempt> = []
  const allow = { [`good.test:${port}`]: { methods: ["GET"], paths: ["/open/**"] } }
  const allowAddresses = ["127.0.0.0/8"]
  const egress = stack.use(
    await makeEgress(
      { allow, allowAddresses },
      {
        hosts: { "good.test": "127.0.0.1" },
        onAttempt: (attempt) => void attempts.push(attempt),
      },
    ),
  )
  const sandboxes = stack.use(
    createSandboxes({ ...options, sessionId: `egress-${process.pid}-${port}` }),
  )
  const sandbox = stack.use(await sandboxes.create({ network: "none", env: egress.env }))
  await egress.open(sandbox)
  const at = (path: string) => heard(sandbox, `http://good.test:${port}${path}`)
  assert.match(await at("/open/a"), new RegExp(`200 OK.*GET /open/a for good.test:${port}$`, "s"))
  assert.match(await at("/closed"), /^HTTP\/1.1 403 .*Whoever runs this sandbox decides/s)
  await egress.update({ allow: { [`good.test:${port}`]: {} }, allowAddresses })
  assert.match(await at("/closed"), /200 OK/)
  await egress.update({ allow: {} })
  assert.match(await at("/open/a"), /^HTTP\/1.1 403 /)
  // As the network of a sandbox is, the way is there again when the sandbox is.
  await egress.update({ allow, allowAddresses })
  await sandbox.stop()
  await sandbox.start()
  await sandbox.ports.wait(3128)
  assert.match(await at("/open/a"), /200 OK/)
  await egress.close()
  assert.strictEqual(await at("/open/a"), "")
  assert.deepStrictEqual(
    attempts.map(({ path, outcome, status }) => [path, outcome, status]),
    [
      ["/open/a", "done", 200],
      ["/closed", "refused", undefined],
      ["/closed", "done", 200],
      ["/open/a", "refused", undefined],
      ["/open/a", "done", 200],
    ],
  )
}
