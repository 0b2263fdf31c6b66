import { execFile } from "node:child_process"
import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { noEngine } from "./support/docker.ts"
import { skipped } from "./support/skipped.ts"
import { needs } from "./support/skips.ts"

const examples = join(import.meta.dirname, "..", "examples")

/** Runs an example as its first line says; it must end with exit code 0. */
const run = async (name: string, driver: string, image = process.env["CORDON_TEST_IMAGE"]) => {
  const args = ["--conditions=@cordon/source", join(examples, name)]
  const env = {
    ...process.env,
    CORDON_DRIVER: driver,
    ...(image === undefined ? {} : { CONTAINER_SANDBOX_IMAGE: image }),
  }
  return (await promisify(execFile)(process.execPath, args, { env })).stdout
}

it("the examples run a custom driver: spread-driver.ts", async () => {
  const output = await run("spread-driver.ts", "memory")
  assert.match(output, /^ada has a sandbox\ngrace has a sandbox\nbarbara has a sandbox\n$/)
  const source = await readFile(join(examples, "spread-driver.ts"), "utf8")
  assert.isBelow(source.split("\n").length, 100)
})

const gitImage = process.env["CORDON_TEST_GIT_IMAGE"]
const noGit =
  gitImage === undefined
    ? needs("an image", "CORDON_TEST_GIT_IMAGE is not set, as CI does")
    : undefined
const review = async () => {
  const output = await run("code-review.ts", "docker", gitImage)
  assert.match(output, /^cloned [0-9a-f]{40}$/m)
  assert.match(output, /^sandbox_exec .*git show/m)
  const [, file = ""] = /^the review is in (.*)$/m.exec(output) ?? []
  const text = await readFile(file, "utf8")
  assert.match(text, /^# Review of Sum in one pass/)
  assert.match(text, /wanted 10, got 6.*exit code 1/s)
  assert.match(text, /^Do not merge\.$/m)
}
const reviewTest = "review a repository: code-review.ts"
if (noEngine ?? noGit) skipped(reviewTest, noEngine ?? noGit ?? "")
else it(reviewTest, review)

for (const driver of ["memory", "docker"]) {
  const missing = driver === "docker" ? noEngine : undefined
  const test = (name: string, body: (output: string) => Promise<void> | void) =>
    missing === undefined
      ? it(name, async () => body(await run(name, driver)))
      : skipped(name, missing)

  describe(`the examples on ${driver}`, () => {
    test("quickstart.ts", (output) => assert.strictEqual(output, "Hello from Cordon\n"))

    test("server.ts", (output) => {
      assert.match(output, /^ada: ada$/m)
      assert.match(output, /^ada: bye\nbob: bob$/m)
    })

    test("agent.ts", async (output) => {
      assert.match(output, /got .*Fizz.*\n {4}\[exit code 1\]/)
      assert.match(output, /^ {4}passed$/m)
      assert.match(output, /Its test failed at first/)
      const folder = /the files are in (.*)$/m.exec(output)?.[1] ?? ""
      assert.match(await readFile(join(folder, "fizzbuzz.sh"), "utf8"), /else print \$1/)
    })

    if (driver === "docker") {
      test("reverse.ts", (output) => assert.strictEqual(output, "from the program\n"))

      test("features.ts", (output) =>
        assert.strictEqual(
          output,
          [
            "a token of 7 characters",
            "step 1",
            "step 2",
            "step 3",
            "directory /workspace/out",
            "file /workspace/out/b.txt",
            "directory /workspace/src",
            "/workspace/out/b.txt:2: needle",
            "Created /workspace/out/c.txt",
            "Hello from the server",
            "[ 'server running' ]",
            "the server ended with 143",
            "did the dishes",
            "hello world",
            "project",
            "true hello world",
            "the terminal has 43 132",
            "needle",
            "true false",
            "memory is left",
            "CPU time is left",
            "paused",
            "",
          ].join("\n"),
        ))
    }

    test("telemetry.ts", (output) => {
      assert.match(output, /^\/v1\/logs$/m)
      assert.match(output, /^\/v1\/metrics .*cordon\.sandbox\.create\.duration/m)
      assert.match(output, /^\/v1\/traces Sandbox\.exec .*agent$/m)
      assert.match(output, /^contents sent: none$/m)
    })

    test("effect.ts", (output) => {
      assert.match(output, /^the smallest is 1$/m)
      assert.match(output, /^a failure is a value: exit code 3$/m)
    })

    test("data-analysis.ts", async (output) => {
      const [mean = "", plot = "", path = ""] = output.split("\n")
      assert.strictEqual(mean, "mean 7.375")
      assert.match(plot, /^1 file of \d+ bytes, 8 bars:$/)
      assert.match(await readFile(path, "utf8"), /^<svg .*<rect .*<\/svg>/s)
    })

    test("mcp-client.ts", (output) => {
      assert.match(output, /^sandbox_exec: Run command$/m)
      assert.match(output, /^Hello from MCP$/m)
    })
  })
}
