import { createServer } from "node:net"
import { SandboxDriver } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Exit, Schedule, Scope } from "effect"
import { portOf } from "../../support/portOf.ts"
import { makeSandbox } from "../../support/sandbox.ts"
import { serve } from "../../support/serve.ts"
import type { FeatureStage } from "./stage.ts"

/** Says something on a port, and prints what comes back: by perl where the image has it, else by busybox. */
const talk = (port: number, word: string) => `
if command -v perl >/dev/null; then
  exec perl -e '
    use IO::Socket::INET;
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:${port}") or exit 1;
    print $socket "${word}";
    shutdown $socket, 1;
    print <$socket>;'
fi
printf '${word}' | busybox nc -w 5 127.0.0.1 ${port}
`

/** Connects to a port, says so, and stays. */
const hold = (port: number) => `
if command -v perl >/dev/null; then
  exec perl -e '
    use IO::Socket::INET;
    my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1:${port}") or exit 1;
    $| = 1;
    print "connected\n";
    <$socket>;'
fi
(echo connected; sleep 1000) | tee /dev/stderr | busybox nc 127.0.0.1 ${port}
`

/** A program of this machine that says in capitals what it is told. */
const echoServer = Effect.acquireRelease(
  Effect.callback<{ readonly port: number; readonly close: () => void }>((resume) => {
    const server = createServer({ allowHalfOpen: true }, (socket) => {
      const heard: Array<Buffer> = []
      socket.on("data", (bytes) => heard.push(bytes))
      socket.on("end", () => socket.end(Buffer.concat(heard).toString().toUpperCase()))
      socket.on("error", () => socket.destroy())
    }).listen(0, "127.0.0.1", () => {
      resume(Effect.succeed({ port: portOf(server), close: () => server.close() }))
    })
  }),
  ({ close }) => Effect.sync(close),
)

/** Ports of sandboxes, whatever their runtime and their image's tools. */
export const portsContract = ({ check, lacks }: FeatureStage) =>
  describe("ports", () => {
    const lack = lacks.ports ?? lacks.processes

    check(
      "an exposed port leads to what listens on loopback, and to nothing once that has ended",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          yield* sandbox.files.write("index.html", "from inside")
          const server = yield* sandbox.processes.start(["sh", "-c", serve])
          yield* sandbox.ports.wait(8000)
          assert.deepStrictEqual(yield* sandbox.ports.list, [8000])
          const { url } = yield* sandbox.ports.expose(8000)
          const ask = Effect.promise(() =>
            fetch(`${url}/index.html`).then(
              (answer) => answer.text(),
              () => "broken",
            ),
          )
          const answers = yield* Effect.all([ask, ask, ask], { concurrency: "unbounded" })
          assert.deepStrictEqual(answers, Array(3).fill("from inside"))
          yield* server.kill()
          assert.strictEqual(yield* ask, "broken")
          assert.deepStrictEqual(yield* sandbox.ports.list, [])
        }),
      lack,
    )

    check(
      "a reverse port leads to a program of this machine, also after stop and start, until it is closed",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const { port: localPort } = yield* echoServer
          const scope = yield* Scope.make()
          yield* Scope.provide(sandbox.ports.reverse(8001, { localPort }), scope)
          const taken = yield* Effect.flip(
            Effect.scoped(sandbox.ports.reverse(8001, { localPort })),
          )
          assert.strictEqual(taken._tag, "PortUnavailable")
          assert.deepStrictEqual(yield* sandbox.ports.list, [8001])
          const say = (word: string) =>
            Effect.map(sandbox.exec(talk(8001, word)), ({ stdout }) => stdout)
          const words = Array.from({ length: 12 }, (_, number) => `word ${number}`)
          const heard = yield* Effect.forEach(words, say, { concurrency: 12 })
          assert.deepStrictEqual(
            heard,
            words.map((word) => word.toUpperCase()),
          )
          const driver = yield* SandboxDriver
          const keeper = yield* sandbox.processes.start(["sh", "-c", hold(8001)])
          yield* keeper.logs().pipe(
            Effect.repeat({
              schedule: Schedule.spaced("50 millis"),
              until: ({ stdout, stderr }) => stdout + stderr !== "",
            }),
          )
          // Code inside could hold its lease for ever otherwise.
          assert.isFalse((yield* driver.inspect(sandbox.id)).busy)
          yield* sandbox.stop
          yield* sandbox.start
          yield* sandbox.ports.wait(8001)
          assert.strictEqual(yield* say("again"), "AGAIN")
          yield* Scope.close(scope, Exit.void)
          assert.deepStrictEqual(yield* sandbox.ports.list, [])
          assert.strictEqual(yield* say("late"), "")
        }),
      lack,
    )

    check(
      "a served port has its preparation done again after each stop and start, before its first connection",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* makeSandbox()
          const steps: Array<string> = []
          const again = Effect.sync(() => void steps.push("again"))
          yield* sandbox.ports.serve(
            8002,
            () => Effect.sync(() => void steps.push("connection")),
            again,
          )
          yield* sandbox.exec(talk(8002, "first"))
          for (let round = 0; round < 2; round++) {
            yield* sandbox.stop
            yield* sandbox.start
            yield* sandbox.ports.wait(8002)
            yield* sandbox.exec(talk(8002, "next"))
          }
          assert.deepStrictEqual(steps, [
            "connection",
            "again",
            "connection",
            "again",
            "connection",
          ])
        }),
      lack,
    )
  })
