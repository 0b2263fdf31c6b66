import { Effect, FileSystem, Path } from "effect"
import { ChildProcess, ChildProcessSpawner } from "effect/process"

/** Changes a program until its test passes. The layers decide where it runs: on this machine or in a sandbox. */
export const mend = Effect.gen(function* () {
  const files = yield* FileSystem.FileSystem
  const path = yield* Path.Path
  const spawner = yield* ChildProcessSpawner.ChildProcessSpawner

  const folder = yield* files.makeTempDirectoryScoped({ prefix: "sum-" })
  const sum = path.join(folder, "sum.sh")
  yield* files.writeFileString(
    path.join(folder, "check.sh"),
    `got=$(printf '2\\n3\\n' | sh sum.sh)
[ "$got" = "$EXPECTED" ] || { echo "expected $EXPECTED, got $got" >&2; exit 1; }
echo passed
`,
  )
  const check = ChildProcess.make("sh", ["check.sh"], {
    cwd: folder,
    env: { EXPECTED: "5" },
    extendEnv: true,
  })

  const reports: Array<string> = []
  for (const operator of ["-", "+"]) {
    yield* files.writeFileString(sum, `read a; read b; echo $((a ${operator} b))\n`)
    reports.push(yield* spawner.string(check, { includeStderr: true }))
  }
  const names = yield* files.readDirectory(folder)
  const sorted = yield* spawner.lines(
    ChildProcess.make("cat", names, { cwd: folder }).pipe(
      ChildProcess.pipeTo(ChildProcess.make("grep", ["-c", "sum.sh"])),
    ),
  )
  return { reports, names: names.toSorted(), lines: sorted, code: yield* spawner.exitCode(check) }
}).pipe(Effect.scoped)
