/**
 * A short coding session through the eight agent tools, as a model would run it.
 *
 *     node --conditions=@cordon/source examples/demo.ts
 *
 * It runs on a Docker Engine if one answers and has or can pull an image, otherwise on the
 * in-memory driver. It ends with exit code 1 if a step gives an unexpected result.
 */
import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { styleText } from "node:util"
import { sessionFilesDirectory } from "@cordon/core"
import { createTools, type PromiseToolset, type ToolName } from "@cordon/tools"
import { chooseDriver } from "./demoDriver.ts"

// `styleText` omits colours if the output is not a terminal, and if NO_COLOR is set.
const style = (format: Parameters<typeof styleText>[0], text: string) => styleText(format, text)
const indent = (text: string) => text.replace(/\n$/, "").replace(/^/gm, "    ")
const shorten = (text: string) => (text.length > 150 ? `${text.slice(0, 150)}...` : text)

class StepFailed extends Error {}

const buggy = `#!/bin/sh
# Sums the prices in CSV files (item,price) by item.
awk -F, '{ sum[$1] += $2 } END { for (item in sum) print item "," sum[item] }' "$@" | sort
`
const fixed = buggy.replace("'{ sum", "'FNR > 1 { sum")
const test = `got=$(printf 'item,price\\npear,2\\nfig,3\\npear,1.5\\n' | sh src/total.sh)
expected=$(printf 'fig,3\\npear,3.5')
if [ "$got" = "$expected" ]; then echo "ok: sums by item"; exit; fi
echo "not ok: expected"; echo "$expected"; echo "but got"; echo "$got"; exit 1
`
const inputs = {
  "january.csv": "item,price\nfig,3\npear,2\n",
  "february.csv": "item,price\npear,4.5\nplum,1\n",
}
const report = "fig,3\npear,6.5\nplum,1\n"

/** The expected result of a step: words in the model's text, or the tag of an error. */
interface Expected {
  readonly text?: string
  readonly error?: string
}

const session = async (toolset: PromiseToolset, storage: string, signal: AbortSignal) => {
  let steps = 0
  const step = async (name: ToolName, input: object, expected: Expected) => {
    console.log(`\n${style("cyan", name)} ${style("dim", shorten(JSON.stringify(input)))}`)
    const result = await toolset.byName[name].execute(input, { signal })
    console.log(style(result.ok ? "reset" : "yellow", indent(result.text)))
    const tag = result.ok ? undefined : result.error.tag
    if (tag !== expected.error) {
      throw new StepFailed(`${name} had to give ${expected.error ?? "a result"}`)
    }
    if (!result.text.includes(expected.text ?? "")) {
      throw new StepFailed(`${name} had to tell ${JSON.stringify(expected.text)}`)
    }
    steps += 1
  }
  const say = (text: string) => console.log(`\n${style("bold", `# ${text}`)}`)
  const sandbox = "demo"

  say("A sandbox of its own")
  await step(
    "sandbox_create",
    { name: sandbox, memory: "256MiB", network: "none" },
    { text: "is running" },
  )

  say("Write a program and its test, run it, fix it")
  await step(
    "sandbox_write_file",
    { sandbox, path: "src/total.sh", content: buggy },
    { text: "Wrote" },
  )
  await step(
    "sandbox_write_file",
    { sandbox, path: "src/test.sh", content: test },
    { text: "Wrote" },
  )
  await step("sandbox_exec", { sandbox, command: "sh src/test.sh" }, { text: "[exit code 1]" })
  await step(
    "sandbox_write_file",
    { sandbox, path: "src/total.sh", content: fixed },
    { text: "Wrote" },
  )
  await step("sandbox_exec", { sandbox, command: "sh src/test.sh" }, { text: "ok: sums by item" })
  await step(
    "sandbox_read_file",
    { sandbox, path: "src/total.sh", start_line: 2, end_line: 3 },
    { text: "FNR > 1" },
  )

  say("Bring in the user's files, work on them, hand back the result")
  await mkdir(join(storage, "inputs"))
  for (const [name, content] of Object.entries(inputs)) {
    await writeFile(join(storage, "inputs", name), content)
  }
  await step("sandbox_upload", { sandbox, from: "inputs", to: "data" }, { text: "2 files" })
  const command =
    "mkdir -p out && sh src/total.sh data/*.csv > out/report.csv && cat out/report.csv"
  await step("sandbox_exec", { sandbox, command }, { text: "pear,6.5" })
  await step("sandbox_download", { sandbox, from: "out", to: "results" }, { text: "1 file" })
  const local = join(storage, "results", "report.csv")
  const content = await readFile(local, "utf8")
  console.log(`\n${style("green", local)} ${style("dim", "(on this machine)")}\n${indent(content)}`)
  if (content !== report) throw new StepFailed(`${local} does not hold the report`)

  say("Stop it, start it again: the files are still there")
  await step("sandbox_list", {}, { text: `${sandbox}: running` })
  await step("sandbox_manage", { sandbox, action: "stop" }, { text: "is stopped" })
  await step("sandbox_exec", { sandbox, command: "ls" }, { error: "SandboxNotRunning" })
  await step("sandbox_manage", { sandbox, action: "start" }, { text: "is running" })
  await step("sandbox_exec", { sandbox, command: "cat out/report.csv" }, { text: "plum,1" })
  await step("sandbox_manage", { sandbox, action: "remove" }, { text: "is removed" })
  await step("sandbox_list", {}, { text: "There are no such sandboxes" })
  return steps
}

const interrupted = new AbortController()
for (const [signal, code] of [
  ["SIGINT", 130],
  ["SIGTERM", 143],
] as const) {
  process.once(signal, () => {
    process.exitCode = code
    interrupted.abort(new StepFailed(`${signal}: cleaning up`))
  })
}

const { driver, choice } = await chooseDriver(
  process.env["CONTAINER_SANDBOX_IMAGE"] || "ubuntu:24.04",
)
console.log(choice.why)
const { image } = choice
const storage = await mkdtemp(join(tmpdir(), "cordon-demo-"))
try {
  await using toolset = createTools({
    driver,
    files: sessionFilesDirectory(storage),
    ...(image === undefined ? {} : { image }),
  })
  const started = performance.now()
  const steps = await session(toolset, storage, interrupted.signal)
  const seconds = ((performance.now() - started) / 1000).toFixed(1)
  console.log(`\n${style("green", `All ${steps} calls gave what they should, in ${seconds} s.`)}`)
} catch (error) {
  if (!(error instanceof StepFailed)) throw error
  console.error(`\n${style("red", `The demo failed: ${error.message}`)}`)
  process.exitCode ??= 1
} finally {
  await rm(storage, { recursive: true, force: true })
}
