/** A scripted model for one task. It does what a real one might do, including a mistake. */
import { MockLanguageModelV4 } from "ai/test"

export type Answer = Awaited<ReturnType<MockLanguageModelV4["doGenerate"]>>

const usage = {
  inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 0, text: 0, reasoning: 0 },
}

let calls = 0
export const calling = (...tools: ReadonlyArray<readonly [string, object]>): Answer => ({
  content: tools.map(([toolName, input]) => ({
    type: "tool-call",
    toolCallId: `call-${++calls}`,
    toolName,
    input: JSON.stringify(input),
  })),
  finishReason: { unified: "tool-calls", raw: undefined },
  usage,
  warnings: [],
})

export const saying = (text: string): Answer => ({
  content: [{ type: "text", text }],
  finishReason: { unified: "stop", raw: undefined },
  usage,
  warnings: [],
})

const program = (last: string) => `seq "$1" | awk '{
  if ($1 % 15 == 0) print "FizzBuzz"
  else if ($1 % 5 == 0) print "Buzz"
  else if ($1 % 3 == 0) print "Fizz"
  else print ${last}
}'
`

const test = `got=$(sh fizzbuzz.sh 15 | tr '\\n' ' ')
want="1 2 Fizz 4 Buzz Fizz 7 8 Fizz Buzz 11 Fizz 13 14 FizzBuzz "
[ "$got" = "$want" ] && echo passed || { echo "got $got"; exit 1; }
`

const box = { sandbox: "code" }
const write = (path: string, content: string) =>
  ["sandbox_write_file", { ...box, path, content }] as const
const run = (command: string) => ["sandbox_exec", { ...box, command }] as const

export const rehearsedModel = () => {
  const answers = [
    calling(["sandbox_create", { name: "code", memory: "256MiB" }]),
    calling(write("fizzbuzz.sh", program("$2")), write("test.sh", test)),
    calling(run("sh test.sh")),
    calling(write("fizzbuzz.sh", program("$1"))),
    calling(run("sh test.sh")),
    calling(["sandbox_download", { ...box, from: "fizzbuzz.sh", to: "fizzbuzz.sh" }]),
    saying("fizzbuzz.sh is done. Its test failed at first, since it printed $2; now it passes."),
  ]
  return new MockLanguageModelV4({
    doGenerate: async () => answers.shift() ?? saying("I know nothing else."),
  })
}
