import { setTimeout } from "node:timers/promises"
import {
  type CreateSandboxesOptions,
  createSandboxes,
  type EgressRule,
  type EgressRules,
  type PromiseSandbox,
} from "@cordon/core"
import { egressBroker } from "@cordon/egress"
import { assert } from "vitest"
import { makeAuthority } from "../support/certificates.ts"
import { startPostgres } from "../support/postgres.ts"
import { keys, startServices } from "./services.ts"

/** Asks for a page with no proxy, by the name that the system knows. */
const page = `
import socket, ssl, sys
name, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
context = ssl.create_default_context()
try:
    connection = socket.create_connection((name, port), timeout=20)
    connection = context.wrap_socket(connection, server_hostname=name)
    connection.sendall(f"GET {path} HTTP/1.0\\r\\nHost: {name}:{port}\\r\\n\\r\\n".encode())
    answer = connection.makefile().read()
    print(answer.split(" ")[1], answer.partition("\\n\\n")[2].strip())
except OSError as error:
    print("failed", type(error).__name__)`

const asked = async (sandbox: PromiseSandbox, name: string, port: number, path = "/") => {
  const unset = ["http_proxy", "https_proxy", "all_proxy"].flatMap((variable) => [
    ...["-u", variable],
    ...["-u", variable.toUpperCase()],
  ])
  const result = await sandbox.exec(["env", ...unset, "python3", "-c", page, name, `${port}`, path])
  return result.stdout + result.stderr
}

/** Waits until a name is known inside, as it is soon after a start. */
const known = async (sandbox: PromiseSandbox, name: string) => {
  while (!(await sandbox.files.readText("/etc/hosts")).includes(` ${name} `)) await setTimeout(50)
}

/** Programs of a sandbox that use no proxy reach what transparent rules allow, on whatever engine. */
export const transparent = async (
  options: Pick<CreateSandboxesOptions, "driver" | "image" | "runtime">,
): Promise<void> => {
  await using services = await startServices()
  const { port } = services
  const at = (name: string) => `${name}:${port}`
  const rules: EgressRules = {
    allow: {
      [at("api.test")]: {
        paths: ["/v1/**"],
        headers: { authorization: `Bearer ${keys.api}` },
      },
    },
    allowAddresses: ["127.0.0.0/8"],
    transparent: true,
  }
  await using sandboxes = createSandboxes({
    ...options,
    sessionId: `transparent-${process.pid}-${port}`,
    egressBroker: egressBroker({ hosts: services.hosts, ca: [services.ca] }),
  })
  await using sandbox = await sandboxes.create({ name: "box", egress: rules })
  const before = await sandbox.files.readText("/etc/hosts")
  const reached = /^200 answered with Bearer \*+\n$/
  const nothing = /^failed gaierror\n$/
  assert.match(await asked(sandbox, "api.test", port, "/v1/models"), reached)
  assert.match(await asked(sandbox, "api.test", port, "/admin"), /^403 Cordon/)
  assert.match(await asked(sandbox, "npm.test", port), nothing)
  // A program that finds the port without its name gets no further.
  const asRoot = (script: string) => sandbox.run(script, { user: "root" })
  await asRoot('cp /etc/hosts /tmp/hosts && echo "127.0.0.1 npm.test" >>/etc/hosts')
  assert.match(await asked(sandbox, "npm.test", port), /^failed (?:SSL|Connection)/)
  assert.deepInclude((await sandbox.egress.attempts()).at(-1), {
    ...{ host: "npm.test", port, allowed: false, outcome: "refused" },
  })
  await asRoot("cat /tmp/hosts >/etc/hosts")

  await sandbox.stop()
  await sandbox.start()
  await known(sandbox, "api.test")
  await sandbox.ports.wait(port)
  assert.match(await asked(sandbox, "api.test", port, "/v1/models"), reached)

  // Rules whose port is taken do not hold in part.
  const taken = await sandbox.processes.start([
    "python3",
    "-c",
    'import socket, time; held = socket.create_server(("", 8080)); time.sleep(1000)',
  ])
  await sandbox.ports.wait(8080)
  const wide = { ...rules, allow: { ...rules.allow, "npm.test:8080": {}, [at("npm.test")]: {} } }
  const error: unknown = await sandbox.egress.update(wide).catch((error: unknown) => error)
  assert.match(String(error), /EgressUnavailable.*Port 8080/s)
  assert.deepStrictEqual(sandbox.egress.rules, rules)
  assert.match(await asked(sandbox, "npm.test", port), nothing)
  assert.match(await asked(sandbox, "api.test", port, "/v1/models"), reached)
  await taken.kill()

  const { [at("api.test")]: rule = {} } = rules.allow
  await sandbox.egress.update({ ...rules, allow: { [at("npm.test")]: rule } })
  assert.match(await asked(sandbox, "npm.test", port, "/v1/models"), /^401/)
  assert.match(await asked(sandbox, "api.test", port, "/v1/models"), nothing)
  await sandbox.egress.update({ ...rules, transparent: false })
  assert.match(await asked(sandbox, "api.test", port, "/v1/models"), nothing)
  assert.deepStrictEqual(await sandbox.ports.list(), [3128])
  assert.notInclude(await sandbox.files.readText("/etc/hosts"), ".test")
  assert.include(before, "localhost")
  assert.include(await sandbox.files.readText("/etc/hosts"), "localhost")
}

/** Asks a PostgreSQL server for TLS, trusts the given authority alone, and says who it is. */
const login = `
import socket, ssl, struct, sys
name, port = sys.argv[1], int(sys.argv[2])
try:
    connection = socket.create_connection((name, port), timeout=20)
    connection.sendall(struct.pack("!II", 8, 80877103))
    assert connection.recv(1) == b"S"
    context = ssl.create_default_context(cafile="/tmp/ca.pem")
    connection = context.wrap_socket(connection, server_hostname=name)
    who = b"user\\0cordon\\0database\\0postgres\\0\\0"
    connection.sendall(struct.pack("!II", len(who) + 8, 196608) + who)
    answer = connection.recv(1024)
    print(answer[:1], struct.unpack("!I", answer[5:9])[0], answer[9:22])
except OSError as error:
    print("failed", type(error).__name__)`

/** A client of PostgreSQL in a sandbox reaches a server by its name, with the server's own certificate, on whatever engine. */
export const transparentDatabase = async (
  options: Pick<CreateSandboxesOptions, "driver" | "image" | "runtime">,
): Promise<void> => {
  const authority = makeAuthority("Databases")
  await using postgres = await startPostgres({ tls: authority.server(["DNS:db.test"]) })
  const { port } = new URL(await postgres.createDatabase())
  await using sandboxes = createSandboxes({
    ...options,
    sessionId: `database-${process.pid}-${port}`,
    egressBroker: egressBroker({ hosts: { "db.test": "127.0.0.1" } }),
  })
  const rules = (rule: EgressRule): EgressRules => ({
    allow: { [`db.test:${port}`]: rule },
    allowAddresses: ["127.0.0.0/8"],
    transparent: true,
  })
  await using sandbox = await sandboxes.create({ egress: rules({}) })
  await sandbox.files.write("/tmp/ca.pem", authority.ca)
  const answer = async () => (await sandbox.run(["python3", "-c", login, "db.test", port])).stdout
  // It asks for the password by SCRAM.
  assert.strictEqual(await answer(), "b'R' 10 b'SCRAM-SHA-256'\n")
  while ((await sandbox.egress.attempts()).length === 0) await setTimeout(20)
  await sandbox.egress.update(rules({ methods: ["GET"] }))
  assert.match(await answer(), /^failed/)
  assert.deepStrictEqual(
    (await sandbox.egress.attempts()).map(({ host, outcome }) => [host, outcome]),
    [
      ["db.test", "done"],
      ["db.test", "refused"],
    ],
  )
}
