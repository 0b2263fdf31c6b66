import { assert, describe, it } from "vitest"
import { separateCommand } from "../src/commandLine.ts"
import { cordon } from "../src/cordon.ts"

const separated = (line: string) => separateCommand(line.split(" "), cordon).join(" ")

describe("an argument after the name of a sandbox", () => {
  const cases: ReadonlyArray<readonly [given: string, parsed: string]> = [
    ["exec box ls -la", "exec -- box ls -la"],
    ["exec -it box sh -c id --help", "exec -it -- box sh -c id --help"],
    ["exec -itu root box ls -u x", "exec -i -t --user=root -- box ls -u x"],
    ["exec -eA=-1 -e B=--x box env", "exec --env=A=-1 --env=B=--x -- box env"],
    ["exec --env A=1 --user=0 box env -i", "exec --env=A=1 --user=0 -- box env -i"],
    ["exec box -- printf -n", "exec -- box printf -n"],
    ["exec -- box printf -n -- x", "exec -- box printf -n -- x"],
    ["exec -w", "exec -w"],
    ["exec --nonsense box ls -l", "exec --nonsense -- box ls -l"],
    ["exec -i=false box ls -l", "exec -i=false -- box ls -l"],
    ["--log-level debug exec box ls -l", "--log-level=debug exec -- box ls -l"],
    ["run --rm -m 64m img:1 ls -l", "run --rm --memory=64m --image=img:1 -- ls -l"],
    ["run --rm -- ls -l", "run --rm -- ls -l"],
    ["run --image img:1 ls -l", "run --image=img:1 -- ls -l"],
    ["run img:1 -- ls -l", "run --image=img:1 -- ls -l"],
    ["run -d img:1", "run -d --image=img:1 --"],
    ["ps -q", "ps -q"],
    ["logs box main -f", "logs box main -f"],
  ]
  for (const [given, parsed] of cases) {
    it(`belongs to the command: cordon ${given}`, () => {
      assert.strictEqual(separated(given), parsed)
    })
  }
})
