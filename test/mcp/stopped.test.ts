import { mkdtemp, rm } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import Dockerode from "dockerode"
import { noEngine, socketPath } from "../support/docker.ts"
import {
  type Connection,
  connectHttp,
  connectModernHttp,
  connectModernStdio,
  connectStdio,
  startHttp,
} from "./clients.ts"

type Where = Parameters<typeof startHttp>[0]

const overHttp = (connect: (url: URL) => Promise<Connection>) => async (where: Where) => {
  const { url, stop } = await startHttp(where)
  // The client goes without a word: what it had ends with the server.
  return { connection: await connect(url), stop }
}

const overStdio = (connect: (where: Where) => Promise<Connection>) => async (where: Where) => {
  const connection = await connect(where)
  return { connection, stop: connection.close }
}

describe("an MCP server that ends", () => {
  for (const [title, open] of [
    ["over stdio", overStdio(connectStdio)],
    ["over stdio, revision 2026-07-28", overStdio(connectModernStdio)],
    ["over HTTP", overHttp(connectHttp)],
    ["over HTTP, revision 2026-07-28", overHttp(connectModernHttp)],
  ] as const) {
    it(`leaves no sandbox behind ${title}`, async (ctx) => {
      if (noEngine !== undefined) return ctx.skip(noEngine)
      const folder = await mkdtemp(join(tmpdir(), "cordon-stopped-"))
      const name = `left-${process.pid}-${Math.floor(performance.now())}`
      const containers = async () =>
        (
          await new Dockerode({ socketPath }).listContainers({
            all: true,
            filters: { label: [`dev.cordon.name=${name}`] },
          })
        ).length
      const { connection, stop } = await open({ driver: "docker", folder })
      const made = await connection.call("sandbox_create", { name, network: "none" })
      assert.isTrue(made.ok, made.text)
      assert.strictEqual(await containers(), 1)
      await stop()
      // A client over stdio does not wait for the end of its server.
      while ((await containers()) > 0) await new Promise((resolve) => setTimeout(resolve, 100))
      await rm(folder, { recursive: true })
    })
  }
})
