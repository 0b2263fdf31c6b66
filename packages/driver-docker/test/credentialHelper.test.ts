import { chmodSync, existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { delimiter, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Fiber } from "effect"
import { TestClock } from "effect/testing"
import { afterAll } from "vitest"
import { askHelper } from "../src/registry/credentialHelper.ts"

const folder = mkdtempSync(join(tmpdir(), "cordon-helper-"))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
process.env["PATH"] = `${folder}${delimiter}${process.env["PATH"]}`

const helper = (name: string, script: string) => {
  const path = join(folder, `docker-credential-${name}`)
  writeFileSync(path, `#!/bin/sh\n${script}\n`)
  chmodSync(path, 0o755)
}

const until = (is: () => boolean) =>
  Effect.promise(async () => {
    while (!is()) await new Promise((resolve) => setImmediate(resolve))
  })

describe.skipIf(process.platform === "win32")("a credential helper", () => {
  it.effect("that never answers is ended after 15 seconds", () =>
    Effect.gen(function* () {
      const ready = join(folder, "ready")
      helper("hangs", `echo $$ >${ready}.new; mv ${ready}.new ${ready}; exec sleep 600`)
      const asked = yield* Effect.forkScoped(Effect.flip(askHelper("hangs", "ghcr.io")))
      yield* until(() => existsSync(ready))
      yield* TestClock.adjust("15 seconds")
      const error = yield* Fiber.join(asked)
      assert.include(error, { helper: "docker-credential-hangs" })
      assert.match(error.reason, /within 15 s/)
    }).pipe(Effect.scoped),
  )

  it.effect("that writes without an end is ended", () =>
    Effect.gen(function* () {
      helper("floods", "exec cat /dev/zero")
      const error = yield* Effect.flip(askHelper("floods", "ghcr.io"))
      assert.match(error.reason, /wrote more than 256 KiB/)
    }),
  )

  it.effect("with a malformed answer is an error that does not repeat the answer", () =>
    Effect.gen(function* () {
      helper("lies", "echo s3cret")
      const error = yield* Effect.flip(askHelper("lies", "ghcr.io"))
      assert.match(error.reason, /not JSON with Username and Secret/)
      assert.notInclude(JSON.stringify(error), "s3cret")
    }),
  )
})
