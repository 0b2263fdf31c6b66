/**
 * What a scripted model does, turn by turn. It is a function of the conversation, as a model is: what
 * a framework does not carry to the model and back, it does not get past.
 */

export interface Call {
  readonly name: string
  readonly input: Readonly<Record<string, unknown>>
  /** What the model must read of its result before it goes on. */
  readonly reads: RegExp
  /** Whether the result must be marked as a failure, where the framework has a mark. */
  readonly fails?: true
}

export interface Script {
  /** The calls of one turn are made at the same time. */
  readonly turns: ReadonlyArray<ReadonlyArray<Call>>
  /** Said in the end. */
  readonly text: string
}

/** A result as the model gets it. */
export interface Seen {
  readonly id: string
  readonly text: string
  /** Where the framework marks failures. */
  readonly failed?: boolean
}

export interface ModelCall extends Call {
  readonly id: string
}

/** The calls of the next turn, or none where the script has come to its end. */
export const nextCalls = (script: Script, results: ReadonlyArray<Seen>): Array<ModelCall> => {
  const seen = new Map(results.map((result) => [result.id, result]))
  for (const [turn, calls] of script.turns.entries()) {
    const made = calls.map((call, index) => ({ ...call, id: `call_${turn}_${index}` }))
    if (!made.some(({ id }) => seen.has(id))) return made
    for (const call of made) check(call, seen.get(call.id))
  }
  return []
}

const check = ({ id, name, input, reads, fails }: ModelCall, result: Seen | undefined) => {
  const what = `${id} (${name} ${JSON.stringify(input).slice(0, 80)})`
  if (result === undefined) throw new Error(`the model got no result of ${what}`)
  if (!reads.test(result.text)) {
    throw new Error(`of ${what} the model read ${JSON.stringify(result.text)}, not ${reads}`)
  }
  if (result.failed !== undefined && result.failed !== (fails === true)) {
    throw new Error(`${what} is marked as ${result.failed ? "failed" : "done"}: ${result.text}`)
  }
}

/** What the user asks for. */
export const prompt = "Write sum.sh, which adds up numbers, and its test. Hand me both."

const box = { sandbox: "code" }

const sum = (operator: string) => `#!/bin/sh\nawk '{ s = s ${operator} $1 } END { print s }' "$@"\n`

const check5 = `#!/bin/sh
got=$(printf "2\\n3\\n" | sh src/sum.sh)
[ "$got" = 5 ] || { echo "expected 5, got $got" >&2; exit 1; }
echo passed
`

/** The program as it is in the end. */
export const fixed = sum("+")

const write = (path: string, content: string): Call => ({
  name: "sandbox_write_file",
  input: { ...box, path, content },
  reads: new RegExp(`^Wrote ${content.length} bytes to /.*/${path}$`),
})

const exec = (command: string, reads: RegExp): Call => ({
  name: "sandbox_exec",
  input: { ...box, command, timeout_seconds: 60 },
  reads,
})

const create: Call = {
  name: "sandbox_create",
  input: { name: "code", memory: "256MiB", pids: 64 },
  reads: /^Sandbox "code" is running: .*256 MiB of memory/,
}

/** Each waits for the other one: they end only if they run at the same time. */
const meeting = (own: string, other: string) =>
  exec(
    `touch ${own}; until [ -e ${other} ]; do sleep 0.1; done; echo ${own} met ${other}`,
    new RegExp(`^${own} met ${other}$`),
  )

/** Writes a program, runs its failing test, mends it, hands it over; and errs on the way. */
export const codingSession = ({ parallel }: { readonly parallel: boolean }): Script => ({
  turns: [
    [create],
    [write("src/sum.sh", sum("-")), write("src/check.sh", check5)],
    [exec("sh src/check.sh", /expected 5, got -5\n\[exit code 1\]$/)],
    [
      {
        name: "sandbox_read_file",
        input: { ...box, path: "src/total.sh" },
        reads: /src\/total\.sh/,
        fails: true,
      },
      {
        name: "sandbox_exec",
        input: { ...box },
        reads: /(?=.*command)(?=.*(?:required|missing))/is,
        fails: true,
      },
      {
        name: "sandbox_exec",
        input: { sandbox: "another", command: "true" },
        reads: /There is no sandbox .{0,2}another.{0,2} in this session\. Call sandbox_list/,
        fails: true,
      },
    ],
    [write("src/sum.sh", fixed)],
    parallel ? [meeting("one", "two"), meeting("two", "one")] : [exec("true", /no output/)],
    [exec("sh src/check.sh", /^passed$/)],
    [
      {
        name: "sandbox_download",
        input: { ...box, from: "src", to: "results" },
        reads: /^Downloaded "src" to "results": 2 files/,
      },
    ],
  ],
  text: "sum.sh adds up; its test passes.",
})

/** Starts a command that does not end by itself. */
export const endless: Script = {
  turns: [[create], [exec("echo yes > started; sleep 600", /never/)]],
  text: "never said",
}
