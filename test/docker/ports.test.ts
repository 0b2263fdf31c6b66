import { createHash } from "node:crypto"
import { connect } from "node:net"
import type { ExposedPort, Sandbox } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { needing, onEngine, withSession } from "./support.ts"

/** Speaks HTTP and WebSocket on one interface of the sandbox, with what Python has built in. */
const server = `
import base64, hashlib, socket, sys, threading
family = socket.AF_INET6 if ':' in sys.argv[1] else socket.AF_INET
listener = socket.socket(family)
listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
listener.bind((sys.argv[1], int(sys.argv[2])))
listener.listen(64)
def serve(s):
    data = b''
    while b'\\r\\n\\r\\n' not in data:
        more = s.recv(65536)
        if not more: return
        data += more
    head, rest = data.split(b'\\r\\n\\r\\n', 1)
    lines = head.decode().split('\\r\\n')
    headers = dict(line.lower().split(': ', 1) for line in lines[1:])
    raw = dict(line.split(': ', 1) for line in lines[1:])
    if 'upgrade' in headers:
        key = next(v for k, v in raw.items() if k.lower() == 'sec-websocket-key')
        accept = base64.b64encode(hashlib.sha1((key + '258EAFA5-E914-47DA-95CA-C5AB0DC85B11').encode()).digest()).decode()
        s.sendall(('HTTP/1.1 101 Switching Protocols\\r\\nUpgrade: websocket\\r\\nConnection: Upgrade\\r\\nSec-WebSocket-Accept: ' + accept + '\\r\\n\\r\\n').encode())
        while True:
            frame = s.recv(65536)
            if not frame or frame[0] & 15 == 8: break
            length, mask = frame[1] & 127, frame[2:6]
            text = bytes(b ^ mask[i % 4] for i, b in enumerate(frame[6:6 + length]))
            answer = b'echo ' + text
            s.sendall(bytes([0x81, len(answer)]) + answer)
    else:
        size = int(headers.get('content-length', '0'))
        while len(rest) < size: rest += s.recv(65536)
        body = hashlib.sha256(rest).hexdigest().encode() if size else b'hello ' + lines[0].split()[1].encode()
        if lines[0].startswith('GET /large'): body = b'x' * 5000000
        s.sendall(b'HTTP/1.1 200 OK\\r\\nConnection: close\\r\\nContent-Length: ' + str(len(body)).encode() + b'\\r\\n\\r\\n' + body)
    s.close()
while True:
    s, _ = listener.accept()
    threading.Thread(target=serve, args=(s,), daemon=True).start()
`

const start = Effect.fnUntraced(function* (sandbox: Sandbox, address: string, port: number) {
  yield* sandbox.files.write("server.py", server)
  yield* sandbox.processes.start(["python3", "server.py", address, String(port)])
  yield* sandbox.ports.wait(port)
})

const text = (url: string, init: RequestInit = {}) =>
  Effect.promise(async () => (await fetch(url, init)).text())

const refused = ({ localPort }: ExposedPort) =>
  Effect.callback<boolean>((resume) => {
    const socket = connect(localPort, "127.0.0.1")
    socket.on("connect", () => {
      socket.destroy()
      resume(Effect.succeed(false))
    })
    socket.on("error", () => resume(Effect.succeed(true)))
  })

describe("ports on a real engine", () => {
  for (const [network, address] of [
    ["none", "127.0.0.1"],
    ["bridge", "127.0.0.1"],
    ["internal", "0.0.0.0"],
  ] as const) {
    onEngine(`carry HTTP from network ${network} to a listener on ${address}`, () =>
      withSession((session) =>
        Effect.gen(function* () {
          const sandbox = yield* session.create({ network })
          yield* start(sandbox, address, 8080)
          assert.deepStrictEqual(yield* sandbox.ports.list, [8080])
          const exposed = yield* Effect.scoped(
            Effect.gen(function* () {
              const exposed = yield* sandbox.ports.expose(8080)
              assert.strictEqual(exposed.url, `http://127.0.0.1:${exposed.localPort}`)
              assert.strictEqual(yield* text(`${exposed.url}/path?x=1`), "hello /path?x=1")
              return exposed
            }),
          )
          assert.isTrue(yield* refused(exposed))
          assert.strictEqual((yield* sandbox.processes.list)[0]?.status, "running")
        }),
      ),
    )
  }

  onEngine(
    "an exposed port carries WebSocket, many megabytes both ways, and parallel connections",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const sandbox = yield* session.create({ network: "none" })
          yield* start(sandbox, "127.0.0.1", 3000)
          const { url } = yield* sandbox.ports.expose(3000)
          const answer = yield* Effect.promise(
            () =>
              new Promise((resolve, reject) => {
                const socket = new WebSocket(url.replace("http", "ws"))
                socket.onopen = () => socket.send("over the wall")
                socket.onerror = () => reject(new Error("the WebSocket failed"))
                socket.onmessage = ({ data }) => {
                  socket.close()
                  resolve(data)
                }
              }),
          )
          assert.strictEqual(answer, "echo over the wall")
          const body = Buffer.alloc(5_000_000, "0123456789abcdef")
          const digest = createHash("sha256").update(body).digest("hex")
          assert.strictEqual(yield* text(url, { method: "POST", body }), digest)
          assert.strictEqual((yield* text(`${url}/large`)).length, 5_000_000)
          const answers = yield* Effect.forEach(
            Array.from({ length: 10 }, (_, n) => n),
            (n) => text(`${url}/${n}`),
            { concurrency: "unbounded" },
          )
          assert.deepStrictEqual(
            answers,
            answers.map((_, n) => `hello /${n}`),
          )
          // Each connection in the sandbox is gone with the one on this machine (01: it is open).
          const open = Effect.map(
            sandbox.run("grep -c ' 01 ' /proc/net/tcp || true"),
            ({ stdout }) => Number(stdout),
          )
          yield* Effect.repeat(open, {
            schedule: Schedule.spaced("100 millis"),
            until: (count) => count === 0,
          })
        }).pipe(Effect.scoped),
      ),
  )

  onEngine("a port without a listener gives an error, and closes a connection", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ network: "none" })
        const late = yield* Effect.flip(sandbox.ports.wait(4000, { timeout: "300 millis" }))
        assert.strictEqual(late._tag, "PortUnreachable")
        assert.match(late.message, /4000.*300ms/)
        for (const port of [0, 65_536, 1.5]) {
          const error = yield* Effect.flip(sandbox.ports.wait(port))
          assert.strictEqual(error._tag, "InvalidInput")
        }
        const { url, localPort } = yield* sandbox.ports.expose(4000)
        const answer = yield* Effect.promise(() => fetch(url).then(String, () => "broken"))
        assert.strictEqual(answer, "broken")
        const again = yield* Effect.flip(sandbox.ports.expose(4000, { localPort }))
        assert.strictEqual(again._tag, "InvalidInput")
      }).pipe(Effect.scoped),
    ),
  )

  onEngine("a port on :: is reachable without any tool of the image", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ network: "bridge" })
        // Python is the server's own.
        yield* sandbox.run(["sh", "-c", 'rm -f "$(command -v perl)" "$(command -v bash)"'])
        yield* start(sandbox, "::", 8080)
        assert.deepStrictEqual(yield* sandbox.ports.list, [8080])
        const { url } = yield* sandbox.ports.expose(8080)
        assert.strictEqual(yield* text(`${url}/six`), "hello /six")
      }).pipe(Effect.scoped),
    ),
  )

  onEngine(
    "a connection is half-closed by either side, and still carries what the other sends",
    () =>
      withSession((session) =>
        Effect.gen(function* () {
          const sandbox = yield* session.create({ network: "none" })
          yield* sandbox.files.write(
            "once.py",
            `
import socket, time
listener = socket.socket()
# A kernel that takes little leaves the rest to those who relay it.
listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
listener.bind(("127.0.0.1", 7000))
listener.listen(1)
s, _ = listener.accept()
s.sendall(b"asked first")
s.shutdown(socket.SHUT_WR)
got = b""
while more := s.recv(8192):
    got += more
    time.sleep(0.0005)
open("got", "wb").write(got)
`,
          )
          const server = yield* sandbox.processes.start(["python3", "once.py"])
          yield* sandbox.ports.wait(7000)
          const { localPort } = yield* sandbox.ports.expose(7000)
          const answer = yield* Effect.callback<string>((resume) => {
            let answer = ""
            const socket = connect({ port: localPort, host: "127.0.0.1", allowHalfOpen: true })
            socket.on("data", (bytes) => {
              answer += bytes.toString()
            })
            socket.on("end", () => {
              socket.end(Buffer.alloc(8_000_000, "x"), () => resume(Effect.succeed(answer)))
            })
          })
          assert.strictEqual(answer, "asked first")
          assert.strictEqual(yield* server.wait, 0)
          assert.strictEqual((yield* sandbox.files.stat("got")).size, 8_000_000)
        }).pipe(Effect.scoped),
      ),
  )

  onEngine("a port of a stopped sandbox can't be exposed", () =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ network: "none" })
        yield* sandbox.stop
        for (const call of [
          sandbox.ports.list,
          sandbox.ports.wait(80),
          Effect.scoped(sandbox.ports.expose(80)),
        ]) {
          assert.strictEqual((yield* Effect.flip(call))._tag, "SandboxNotRunning")
        }
      }),
    ),
  )

  needing("CORDON_TEST_BUSYBOX_IMAGE", "are reachable in an image with busybox", (image) =>
    withSession((session) =>
      Effect.gen(function* () {
        const sandbox = yield* session.create({ network: "none", image })
        yield* sandbox.files.write("www/index.html", "from busybox")
        yield* sandbox.processes.start("busybox httpd -f -p 127.0.0.1:8000 -h www")
        yield* sandbox.ports.wait(8000)
        const { url } = yield* sandbox.ports.expose(8000)
        assert.strictEqual(yield* text(`${url}/index.html`), "from busybox")
      }).pipe(Effect.scoped),
    ),
  )
})
