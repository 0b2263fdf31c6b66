import { once } from "node:events"
import { createServer } from "node:http"
import {
  type CreateOptions,
  EgressBroker,
  type PromiseSandbox,
  SandboxName,
  SessionId,
  sandboxId,
  sessionKey,
} from "@cordon/core"
import type { DockerOptions } from "@cordon/driver-docker"
import { egressBroker } from "@cordon/egress"
import Docker from "dockerode"
import { Effect } from "effect"
import { portOf } from "../../test/support/portOf.ts"
import type { Case, Subject } from "../harness/Case.ts"
import { held } from "../harness/held.ts"
import type { Stage } from "../harness/stage.ts"

const piece = Buffer.alloc(1024 * 1024)

/** A server of this machine that sandboxes reach by the engine's bridge: a few bytes, or as many MiB as its path says. */
const startServer = async (stage: Stage, stack: AsyncDisposableStack) => {
  const network = await new Docker({ socketPath: stage.socketPath }).getNetwork("bridge").inspect()
  // An engine that was restarted reports the subnet only.
  const { Gateway, Subnet = "" } = network.IPAM?.Config?.[0] ?? {}
  const gateway = Gateway ?? Subnet.replace(/\d+\/\d+$/, "1")
  const server = createServer(async (request, response) => {
    const mebibytes = Number(/^\/(\d+)$/.exec(request.url ?? "")?.[1] ?? 0)
    if (mebibytes === 0) return response.end("ok")
    for (let count = 0; count < mebibytes; count++) {
      if (!response.write(piece)) await once(response, "drain")
    }
    return response.end()
  }).listen(0, "0.0.0.0")
  stack.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  await once(server, "listening")
  return { gateway, port: portOf(server) }
}

/** Sends requests over one connection, as a program of the sandbox does, and reads all answers. */
const client = (address: string, url: string, host: string, requests: number) => `
use IO::Socket::INET;
my $socket = IO::Socket::INET->new(PeerAddr => "${address}") or die "no connection";
for (1 .. ${requests}) {
  my $connection = $_ == ${requests} ? "close" : "keep-alive";
  print $socket "GET ${url} HTTP/1.1\\r\\nHost: ${host}\\r\\nConnection: $connection\\r\\n\\r\\n";
  last if $_ == ${requests};
  my $answer = "";
  sysread $socket, $answer, 65536, length $answer until $answer =~ /\\r\\n\\r\\nok\\z|ok\\r\\n0\\r\\n\\r\\n\\z/;
}
my $all = 0;
while (sysread $socket, my $bytes, 65536) { $all += length $bytes }
print $all;`

const script = async (sandbox: PromiseSandbox, text: string) => {
  const { stdout } = await sandbox.run(["perl", "-e", text])
  if (!(Number(stdout) > 0)) throw new Error(`nothing came: ${stdout}`)
}

const ways =
  (path: string, requests: number) =>
  async (stage: Stage, stack: AsyncDisposableStack): Promise<ReadonlyArray<Subject>> => {
    const { gateway, port } = await startServer(stage, stack)
    const name = `server.test:${port}`
    const make = async (options: CreateOptions, driver: DockerOptions = {}) =>
      stack.use(await stage.sandboxes(stack, {}, driver).create(options))
    const subject = (of: string, sandbox: PromiseSandbox, text: string): Subject => ({
      name: of,
      run: ({ time }) => time(() => script(sandbox, text)),
    })

    const ruled = stack.use(
      await stage
        .sandboxes(stack, { egressBroker: egressBroker({ hosts: { "server.test": "127.0.0.1" } }) })
        .create({
          egress: { allow: { [name]: { methods: ["GET"] } }, allowAddresses: ["127.0.0.0/8"] },
        }),
    )
    const direct = await make({ network: "bridge" })
    const whole = client("127.0.0.1:3128", `http://${name}${path}`, name, requests)
    const squid = process.env["CORDON_TEST_PROXY_IMAGE"]
    const listed =
      squid === undefined
        ? []
        : [
            await make(
              {
                network: "bridge",
                egress: {
                  allow: [name],
                  allowAddresses: [`${gateway.replace(/\.\d+$/, ".0")}/24`],
                },
              },
              { egress: { image: squid, hosts: { "server.test": gateway } } },
            ),
          ]
    return [
      subject("cordon", ruled, whole),
      subject("direct", direct, client(`${gateway}:${port}`, path, name, requests)),
      ...listed.map((sandbox) => ({
        name: "squid",
        run: async ({ time }: Parameters<Subject["run"]>[0]) => {
          const { stdout: proxy } = await sandbox.run('printf "%s" "$HTTP_PROXY"')
          const address = proxy.replace("http://", "")
          await time(() => script(sandbox, whole.replace("127.0.0.1:3128", address)))
        },
      })),
    ]
  }

const about =
  "A program of the sandbox asks a server of the engine's machine over one connection of HTTP/1.1: through the program's own proxy with rules (`cordon`, network `none`), over a network (`direct`), and through the allow-list's Squid (`squid`)."

export const egressCases: ReadonlyArray<Case> = [
  {
    name: "egress-requests",
    title: "Ask 200 times on the way out",
    about,
    unit: "ms",
    rounds: 10,
    warmUp: 1,
    subjects: ways("/", 200),
  },
  {
    name: "egress-memory",
    title: "Memory of this process for each way out",
    about:
      "Growth of the program's heap and buffers for each way out that is made, with an authority of its own and a key, after garbage collection: of 200 (`cordon`), of 50 and of one. Nothing runs on the engine for it.",
    unit: "KiB",
    rounds: 3,
    warmUp: 1,
    subjects: async () =>
      [
        ["cordon", 200],
        ["of 50", 50],
        ["of one", 1],
      ].map(([name, count]) => ({
        name: String(name),
        run: async ({ record }) => {
          const rules = { allow: { "api.test": { headers: { authorization: "Bearer key" } } } }
          const makeAll = Effect.gen(function* () {
            const broker = yield* EgressBroker
            const before = yield* Effect.promise(held)
            const ids = Array.from({ length: Number(count) }, (_, made) =>
              sandboxId(sessionKey(SessionId.make("bench")), SandboxName.make(`box-${made}`)),
            )
            const ways = yield* Effect.forEach(ids, (id) => broker.make(rules, id))
            return ((yield* Effect.promise(held)) - before) / ways.length / 1024
          })
          record(
            await Effect.runPromise(makeAll.pipe(Effect.scoped, Effect.provide(egressBroker()))),
          )
        },
      })),
  },
  {
    name: "egress-download",
    title: "Get 64 MiB on the way out",
    about,
    unit: "ms",
    work: () => ({ amount: 64, unit: "MiB" }),
    rounds: 5,
    warmUp: 1,
    subjects: ways("/64", 1),
  },
]
