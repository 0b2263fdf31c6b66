import type { Sandbox, Sandboxes } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, type Scope } from "effect"
import type { Check } from "../support/onLayer.ts"

/** Answers HTTP with the file `index.html`, by perl where the image has it, else by busybox. */
export const serve = `
if command -v perl >/dev/null; then
  exec perl -e '
    use IO::Socket::INET;
    my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1:8000", Listen => 8, ReuseAddr => 1);
    while (my $client = $server->accept) {
      while (<$client>) { last if /^\\r?$/ }
      open my $file, "<", "index.html";
      print $client "HTTP/1.1 200 OK\\r\\nConnection: close\\r\\n\\r\\n", <$file>;
      close $client;
    }'
fi
exec busybox httpd -f -p 127.0.0.1:8000 -h .
`

/** Ports of sandboxes, whatever their runtime and their image's tools. */
export const portContract = ({
  check,
  make,
  lack,
}: {
  readonly check: Check<Sandboxes>
  readonly make: () => Effect.Effect<Sandbox, unknown, Sandboxes | Scope.Scope>
  /** Why a driver has none. */
  readonly lack: string | undefined
}) =>
  describe("ports", () => {
    check(
      "lead to what listens on loopback, and to nothing once it has ended",
      () =>
        Effect.gen(function* () {
          const sandbox = yield* make()
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
  })
