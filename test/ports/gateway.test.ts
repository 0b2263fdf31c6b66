import { request } from "node:http"
import { buffer } from "node:stream/consumers"
import { createSandboxes } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { type Gateway, openGateway, type SharedPort } from "@cordon/ports"
import { assert, describe, it } from "vitest"
import { noEngine, noGvisor } from "../support/docker.ts"
import { serve } from "../support/serve.ts"
import { skipped } from "../support/skipped.ts"

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"

/** What a program gets that asks for a file, by the name of a shared port and with its token, or without. */
const get = (gateway: Gateway, { origin }: SharedPort, token: string | undefined) =>
  new Promise<{ readonly status: number; readonly body: string }>((resolve, reject) => {
    const asking = request(
      {
        host: "127.0.0.1",
        port: gateway.port,
        path: "/index.html",
        agent: false,
        headers: {
          host: new URL(origin).host,
          ...(token === undefined ? {} : { "x-cordon-token": token }),
        },
      },
      (response) => {
        buffer(response).then(
          (body) => resolve({ status: response.statusCode ?? 0, body: String(body) }),
          reject,
        )
      },
    )
    asking.once("error", reject).end()
  })

const share = (runtime: "runc" | "gvisor") => async () => {
  await using gateway = await openGateway()
  await using sandboxes = createSandboxes({
    driver: docker(),
    image,
    sessionId: `gateway-${process.pid}-${runtime}`,
  })
  await using one = await sandboxes.create({ network: "none", runtime })
  await using other = await sandboxes.create({ network: "none", runtime })
  const shared: Array<SharedPort> = []
  for (const [sandbox, text] of [
    [one, "from one"],
    [other, "from the other"],
  ] as const) {
    await sandbox.files.write("index.html", text)
    await sandbox.processes.start(["sh", "-c", serve])
    await sandbox.ports.wait(8000)
    shared.push(await gateway.share(sandbox, 8000))
  }
  const [first, second] = shared
  assert.isDefined(first)
  assert.isDefined(second)
  assert.deepStrictEqual(await get(gateway, first, first.token), { status: 200, body: "from one" })
  assert.deepStrictEqual(await get(gateway, second, second.token), {
    status: 200,
    body: "from the other",
  })
  assert.strictEqual((await get(gateway, first, undefined)).status, 401)
  assert.strictEqual((await get(gateway, first, second.token)).status, 401)
  const nothing = await gateway.share(one, 8001)
  assert.strictEqual((await get(gateway, nothing, nothing.token)).status, 502)
  await first.revoke()
  assert.strictEqual((await get(gateway, first, first.token)).status, 410)
  await other.remove()
  assert.strictEqual((await get(gateway, second, second.token)).status, 410)
}

describe("ports of two sandboxes have their own addresses behind the gateway's one port", () => {
  for (const [runtime, lack] of [
    ["runc", undefined],
    ["gvisor", noGvisor],
  ] as const) {
    const why = noEngine ?? lack
    if (why !== undefined) skipped(`with ${runtime}`, why)
    else it(`with ${runtime}`, share(runtime), 120_000)
  }
})
