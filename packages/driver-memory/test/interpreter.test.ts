import type { ExecEvent, ExecRequest } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect, Stream } from "effect"
import { FileTree } from "../src/files/FileTree.ts"
import { runCommand } from "../src/scripts/runCommand.ts"

const allBytes = Uint8Array.from({ length: 256 }, (_, byte) => byte)
const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString("hex")

const run = (tree: FileTree, command: ExecRequest["command"], more: Partial<ExecRequest> = {}) =>
  runCommand(tree, {}, "/work", { command, timeout: Duration.seconds(20), ...more })

const outputOf = (events: ReadonlyArray<ExecEvent>, kind: "Stdout" | "Stderr") =>
  Buffer.concat(
    events.flatMap((event) => (event._tag === kind && "bytes" in event ? [event.bytes] : [])),
  )

const prepared = Effect.gen(function* () {
  const tree = new FileTree(64 * 1024 ** 2)
  yield* tree.makeDirectory("/work")
  yield* tree.write("/work/all", allBytes)
  return tree
})

describe("the bytes that a script prints", () => {
  const every = hex(allBytes)
  it.effect.each<readonly [string, string]>([
    ["printf '\\357\\273\\277bom\\n'", "efbbbf626f6d0a"],
    ["printf '\\377'", "ff"],
    ["printf 'é\\377'", "c3a9ff"],
    ["echo -e '\\x80\\xff'", "80ff0a"],
    ["echo é", "c3a90a"],
    ["printf '\\u00e9\\u20ac'", "c3a9e282ac"],
    ["printf '%s' '\\u00e9'", Buffer.from("\\u00e9").toString("hex")],
    ["x=$(printf '\\303\\251'); printf %s \"$x\"", "c3a9"],
    ["printf -v x é; echo $x", "c3a90a"],
    ["cat all", every],
    ["cat all all", every + every],
    ["cat < all", every],
    ["{ cat all; }", every],
    ["(cat all)", every],
    ["for i in 1 2; do cat all; done", every + every],
    ["if true; then cat all; fi", every],
    ["cat all | cat", every],
    ["cat all; echo é", `${every}c3a90a`],
    ["while read -r line; do cat all; done <<E\na\nE", every],
    ["base64 all | base64 -d", every],
    ["gzip -c all | gunzip", every],
  ])("arrive unchanged: %s", ([script, expected]) =>
    Effect.gen(function* () {
      const tree = yield* prepared
      assert.strictEqual(hex(outputOf(yield* run(tree, script), "Stdout")), expected)
    }),
  )

  it.effect.each<readonly [string, string]>([
    ["printf '\\357\\273\\277bom\\n' > out", "efbbbf626f6d0a"],
    ["cat all > out", every],
    ["{ cat all; cat all; } > out", every + every],
    ["(cat all) > out", every],
    ["for i in 1 2; do printf '\\377'; done > out", "ffff"],
    ["printf a > out; { printf '\\376'; } >> out", "61fe"],
    ["cat > out", every],
    ["cat | tee out >/dev/null", every],
    ["exec > out; cat all", every],
    ["printf '\\377' > out 2>&1", "ff"],
  ])("are the bytes of the file: %s", ([script, expected]) =>
    Effect.gen(function* () {
      const tree = yield* prepared
      const ran = yield* run(tree, script, { stdin: Stream.succeed(allBytes) })
      assert.strictEqual(hex(outputOf(ran, "Stdout")), "")
      assert.strictEqual(hex(yield* tree.read("/work/out")), expected)
    }),
  )

  it.effect("are complete and in order, wherever they are redirected", () =>
    Effect.gen(function* () {
      const tree = yield* prepared
      const script = `echo a; cat nonesuch 2>&1; echo b >&2; f() { echo "in $1"; }; f c; { echo d; echo e; } | cat
x=$(echo f); echo $x; { echo g >&2; } 2>/dev/null; echo h > h; cat h; [ -e none ] || echo i; bash -c 'echo j'
(cd / && pwd); pwd; { echo k; } > k && cat k; { echo l; } | { cat; echo m; }; ! echo n; exit 7`
      const ran = yield* run(tree, script)
      const [exit] = ran.slice(-1)
      assert.deepInclude(exit, { _tag: "Exit", exitCode: 7 })
      assert.strictEqual(
        outputOf(ran, "Stdout").toString(),
        `a\ncat: nonesuch: No such file or directory\nin c\nd\ne\nf\nh\ni\nj\n/\n/work\nk\nl\nm\nn\n`,
      )
      assert.strictEqual(outputOf(ran, "Stderr").toString(), "b\n")
    }),
  )

  it.effect("are kept when the timeout ends the script", () =>
    Effect.gen(function* () {
      const tree = yield* prepared
      const ran = yield* run(tree, "echo before; sleep 600", { timeout: Duration.millis(300) })
      assert.strictEqual(outputOf(ran, "Stdout").toString(), "before\n")
      assert.deepInclude(ran.at(-1), { timedOut: true, exitCode: 137 })
    }),
  )
})

describe("a script in the background", () => {
  const text = (script: string) =>
    Effect.gen(function* () {
      const ran = yield* run(yield* prepared, script)
      return outputOf(ran, "Stdout").toString()
    })

  it.effect.each<readonly [string, string]>([
    ["sleep 300 & echo started", "started\n"],
    ["for i in 1 2 3; do sleep 300 & done; echo started", "started\n"],
    ["f() { sleep 300; }; f & echo started", "started\n"],
    ["(sleep 300 &); echo started", "started\n"],
    ["{ sleep 300; echo never; } & echo started", "started\n"],
    ["bash -c 'sleep 300 & echo started'", "started\n"],
  ])("does not block its command: %s", ([script, expected]) =>
    Effect.map(text(script), (said) => assert.strictEqual(said, expected)),
  )

  it.effect.each<readonly [string, string]>([
    ["(sleep 0.2; echo done) & wait; echo after", "done\nafter\n"],
    ["for i in 1 2; do echo $i > f$i & done; wait; cat f1 f2", "1\n2\n"],
    ["f() { return $1; }; f 3 & a=$!; f 4 & b=$!; wait $a; echo $?; wait $b; echo $?", "3\n4\n"],
    ["false & wait $!; echo $?", "1\n"],
    ["wait 77; echo $?", "127\n"],
    ["{ echo a & wait; } | tr a b", "b\n"],
    ['x=$(echo a & wait); echo "[$x]"', "[a]\n"],
    ["sleep 300 & jobs", "[1]  Running\n"],
    ["echo quick &", "quick\n"],
    ["cat all & wait", Buffer.from(allBytes).toString()],
  ])("is waited for on request: %s", ([script, expected]) =>
    Effect.map(text(script), (said) => assert.strictEqual(said, expected)),
  )

  it.effect("ends with its command, or with the timeout", () =>
    Effect.gen(function* () {
      const tree = yield* prepared
      yield* run(tree, "(sleep 0.3; echo late > late) & echo started")
      const timeout = Duration.millis(200)
      yield* run(tree, "(sleep 0.5; echo late > later) & wait", { timeout })
      yield* Effect.promise(() => new Promise((resolve) => setTimeout(resolve, 800)))
      assert.isUndefined(yield* tree.lstat("/work/late"))
      assert.isUndefined(yield* tree.lstat("/work/later"))
    }),
  )
})
