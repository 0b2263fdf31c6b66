import { spawn } from "node:child_process"
import { once } from "node:events"
import { createServer, type IncomingMessage } from "node:http"
import { join } from "node:path"
import { setTimeout } from "node:timers/promises"
import { type CreateSandboxesOptions, createSandboxes, type PromiseSandbox } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { egressBroker } from "@cordon/egress"
import { assert, describe, it } from "vitest"
import { noEngine, noGvisor } from "../support/docker.ts"
import { noPodman, podman } from "../support/podman.ts"
import { portOf } from "../support/portOf.ts"
import { skipped } from "../support/skipped.ts"
import { keys, startServices } from "./services.ts"

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"
type Options = Pick<CreateSandboxesOptions, "driver" | "image" | "runtime">

const onEachEngine = (title: string, run: (options: Options) => Promise<void>) => {
  const { host, ulimits } = podman
  for (const [engine, lack, options] of [
    ["runc", noEngine, () => ({ driver: docker(), image })],
    ["gVisor", noEngine ?? noGvisor, () => ({ driver: docker(), image, runtime: "gvisor" })],
    [
      "Podman",
      noPodman,
      () => ({
        driver: docker({ host, ulimits, subnetPool: "10.215.0.0/16" }),
        image: podman.image,
      }),
    ],
  ] as const) {
    const name = `${title} (${engine})`
    if (lack === undefined) it(name, () => run(options()), 120_000)
    else skipped(name, lack)
  }
}

/** A server on all addresses of this machine, which answers at once but what is uploaded. */
const startServer = async (stack: AsyncDisposableStack) => {
  const uploads: Array<IncomingMessage> = []
  let connections = 0
  const server = createServer((request, response) => {
    if (request.method === "POST") {
      uploads.push(request)
      request.on("error", () => {}).resume()
    } else response.end("there")
  })
  server.on("connection", () => connections++)
  server.listen(0, "0.0.0.0")
  await once(server, "listening")
  stack.defer(() => {
    server.closeAllConnections()
    server.close()
  })
  return { port: portOf(server), uploads, connections: () => connections }
}

let count = 0
const start = async (stack: AsyncDisposableStack, options: Options) => {
  const server = await startServer(stack)
  const name = `good.test:${server.port}`
  const egress = { allow: { [name]: {} }, allowAddresses: ["127.0.0.0/8"] }
  const sandboxes = stack.use(
    createSandboxes({
      ...options,
      sessionId: `attacks-${process.pid}-${count++}`,
      egressBroker: egressBroker({ hosts: { "good.test": "127.0.0.1" } }),
    }),
  )
  const create = async () => stack.use(await sandboxes.create({ egress }))
  return { server, name, create, sandbox: await create() }
}

/** What a program inside gets that asks the way out for an address. */
const asked = async (sandbox: PromiseSandbox, name: string, path = "/") => {
  const script = `exec 3<>/dev/tcp/127.0.0.1/3128 || exit 7
    printf 'GET http://${name}${path} HTTP/1.0\\r\\nHost: ${name}\\r\\n\\r\\n' >&3 && timeout 30 cat <&3`
  return (await sandbox.exec(["bash", "-c", script])).stdout
}

const python = (sandbox: PromiseSandbox, script: string) =>
  sandbox.run(["python3", "-c", script], { user: "root", timeout: "90 seconds" })

describe("code inside reaches nothing past the egress proxy", () => {
  onEachEngine("by IP addresses, DNS resolvers or ICMP", async (options) => {
    await using stack = new AsyncDisposableStack()
    const { server, sandbox, name } = await start(stack, options)
    const script = `
import socket
got = []
def attempt(what, f):
    try:
        if f() is not False: got.append(what)
    except OSError: pass
def tcp(family, address, port):
    s = socket.socket(family, socket.SOCK_STREAM); s.settimeout(2)
    s.connect((address, port))
def udp(family, address, port, kind=socket.SOCK_DGRAM, protocol=0):
    s = socket.socket(family, kind, protocol); s.settimeout(2)
    s.sendto(b"\\x12\\x34\\x01\\x00\\x00\\x01\\x00\\x00\\x00\\x00\\x00\\x00\\x04test\\x00\\x00\\x01\\x00\\x01", (address, port))
    return len(s.recv(512)) > 0
v4, v6 = socket.AF_INET, socket.AF_INET6
for address in ["1.1.1.1", "8.8.8.8", "169.254.169.254", "172.17.0.1", "10.0.0.1", "192.168.0.1", "127.0.0.11"]:
    for port in [53, 80, 443, ${server.port}]:
        attempt("tcp %s %d" % (address, port), lambda: tcp(v4, address, port))
        attempt("mapped %s %d" % (address, port), lambda: tcp(v6, "::ffff:" + address, port))
    attempt("udp " + address, lambda: udp(v4, address, 53))
    attempt("icmp " + address, lambda: udp(v4, address, 0, socket.SOCK_RAW, socket.IPPROTO_ICMP))
    attempt("ping " + address, lambda: udp(v4, address, 0, socket.SOCK_DGRAM, socket.IPPROTO_ICMP))
for address in ["2606:4700:4700::1111", "fe80::1", "fd00::1", "64:ff9b::a9fe:a9fe"]:
    for port in [53, 443, ${server.port}]:
        attempt("tcp %s %d" % (address, port), lambda: tcp(v6, address, port))
    attempt("udp " + address, lambda: udp(v6, address, 53))
for host in ["good.test", "example.com", "localhost.localdomain"]:
    attempt("name " + host, lambda: socket.getaddrinfo(host, 80) and host != "localhost.localdomain")
attempt("the way out", lambda: tcp(v4, "127.0.0.1", 3128))
print(got)`
    assert.strictEqual((await python(sandbox, script)).stdout, "['the way out']\n")
    assert.strictEqual(server.connections(), 0)
    assert.match(await asked(sandbox, name), /there$/)
  })

  onEachEngine("through another sandbox's proxy", async (options) => {
    await using stack = new AsyncDisposableStack()
    await start(stack, options)
    const own = { ...options, sessionId: `attacks-${process.pid}-${count++}` }
    const other = stack.use(createSandboxes(own))
    const without = stack.use(await other.create({ network: "none" }))
    const script = `
import socket
got = []
for port in [3128, 3129, 80, 443, 8080]:
    for address in ["127.0.0.1", "127.0.1.1", "0.0.0.0"]:
        s = socket.socket(); s.settimeout(1)
        try: s.connect((address, port)); got.append(port)
        except OSError: pass
print(got)`
    assert.strictEqual((await python(without, script)).stdout, "[]\n")
  })
})

describe("a secret of an egress rule", () => {
  onEachEngine(
    "reaches its own destination only, whatever code inside does with the placeholder",
    async (options) => {
      await using stack = new AsyncDisposableStack()
      const services = stack.use(await startServices())
      const at = (name: string) => `${name}:${services.port}`
      const sandboxes = stack.use(
        createSandboxes({
          ...options,
          sessionId: `attacks-${process.pid}-${count++}`,
          egressBroker: egressBroker({ hosts: services.hosts, ca: [services.ca] }),
        }),
      )
      const egress = {
        allow: {
          [at("api.test")]: [
            { paths: ["/v1/token"], secrets: { API_TOKEN: keys.api } },
            { paths: ["/v1/elsewhere"], headers: { authorization: `Bearer ${keys.npm}` } },
          ],
          [at("python.test")]: { methods: ["GET"] },
        },
        allowAddresses: ["127.0.0.0/8"],
      }
      const [owner, thief] = [
        stack.use(await sandboxes.create({ egress })),
        stack.use(await sandboxes.create({ egress })),
      ]
      const { stdout: token } = await owner.run('printf %s "$API_TOKEN"')
      assert.match(token, /^cordon_/)
      const fetch = async (sandbox: PromiseSandbox, address: string) => {
        services.authorizations.length = 0
        const helper = "/usr/lib/apt/apt-helper -oAcquire::Retries=0 download-file"
        await sandbox.run(`${helper} "https://${address}" /tmp/answer; true`)
        return [...services.authorizations]
      }
      const basic = (text: string) => `Basic ${Buffer.from(text).toString("base64")}`
      const own = `user:${token}`
      for (const [sandbox, host, got] of [
        [owner, "api.test", `user:${keys.api}`],
        [owner, "python.test", own],
        [thief, "api.test", own],
      ] as const) {
        const path = host === "api.test" ? "/v1/token" : "/"
        const asked = await fetch(sandbox, `${own}@${at(host)}${path}`)
        assert.include(asked, `${host} ${basic(got)}`)
        if (got === own) assert.notInclude(asked.join(), basic(`user:${keys.api}`))
      }
      // A destination that sends the sandbox elsewhere sends no key along.
      const followed = await fetch(owner, `${at("api.test")}/v1/elsewhere`)
      assert.deepStrictEqual(followed, [`api.test Bearer ${keys.npm}`, "python.test undefined"])
    },
  )
})

describe("the egress proxy", () => {
  onEachEngine("ends an upload in progress when new rules forbid it", async (options) => {
    await using stack = new AsyncDisposableStack()
    const { server, sandbox, name } = await start(stack, options)
    const upload = await sandbox.processes.start([
      "python3",
      "-c",
      `
import socket, time
s = socket.create_connection(("127.0.0.1", 3128))
s.sendall(b"POST http://${name}/ HTTP/1.1\\r\\nHost: ${name}\\r\\nContent-Length: 100000000\\r\\n\\r\\n")
try:
    while True:
        s.sendall(b"x" * 1000); time.sleep(0.05)
except OSError: print("ended")`,
    ])
    while (server.uploads.length === 0) await setTimeout(20)
    const [arrived] = server.uploads
    const broken = new Promise((resolve) => arrived?.once("close", resolve))
    await sandbox.egress.update({ allow: {} })
    await broken
    assert.isFalse(arrived?.complete)
    while (!(await upload.logs()).stdout.includes("ended")) await setTimeout(50)
  })

  onEachEngine(
    "serves other sandboxes while one floods it, and that one afterwards",
    async (options) => {
      await using stack = new AsyncDisposableStack()
      const { sandbox, create, name } = await start(stack, options)
      const other = await create()
      const before = process.memoryUsage().rss
      const flood = python(
        sandbox,
        `
import socket
held = []
opened = 0
for _ in range(3000):
    s = socket.socket(); s.setblocking(False)
    try: s.connect(("127.0.0.1", 3128))
    except OSError: pass
    held.append(s)
    if len(held) > 300:
        for old in held[:100]:
            try: old.send(b"CONNECT ${name} HTTP/1.1\\r\\nHost: a\\r\\n" + b"X: y\\r\\n" * 50)
            except OSError: pass
            old.close()
        held = held[100:]
    opened += 1
print(opened)`,
      )
      let answered = 0
      let isOver = false
      flood
        .finally(() => {
          isOver = true
        })
        .catch(() => {})
      do {
        assert.match(await asked(other, name), /there$/)
        answered++
      } while (!isOver)
      assert.strictEqual((await flood).stdout, "3000\n")
      assert.isAbove(answered, 0)
      assert.isBelow(process.memoryUsage().rss - before, 300 * 1024 * 1024)
      assert.match(await asked(sandbox, name), /there$/)
    },
  )

  const lets = "lets nothing out once its program was killed, until another one opens it"
  const killed = async () => {
    await using stack = new AsyncDisposableStack()
    const server = await startServer(stack)
    const name = `good.test:${server.port}`
    const sessionId = `attacks-${process.pid}-killed`
    const program = spawn(
      process.execPath,
      [
        "--conditions=@cordon/source",
        join(import.meta.dirname, "killed.ts"),
        sessionId,
        image,
        name,
      ],
      { stdio: ["ignore", "pipe", "inherit"] },
    )
    stack.defer(() => void program.kill("SIGKILL"))
    await once(program.stdout, "data")
    const sandboxes = stack.use(
      createSandboxes({
        driver: docker(),
        image,
        sessionId,
        egressBroker: egressBroker({ hosts: { "good.test": "127.0.0.1" } }),
      }),
    )
    const sandbox = stack.use(await sandboxes.get("box"))
    assert.match(await asked(sandbox, name), /there$/)
    program.kill("SIGKILL")
    await once(program, "exit")
    const before = server.connections()
    assert.strictEqual(await asked(sandbox, name), "")
    assert.strictEqual(server.connections(), before)
    const egress = { allow: { [name]: {} }, allowAddresses: ["127.0.0.0/8"] }
    const again = await sandboxes.get("box", { egress })
    assert.match(await asked(again, name), /there$/)
  }
  if (noEngine === undefined) it(lets, killed, 120_000)
  else skipped(lets, noEngine)
})
