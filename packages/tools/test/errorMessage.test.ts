import {
  EngineError,
  EngineUnreachable,
  ImagePullFailed,
  LeaseStoreFailed,
  Unexpected,
} from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Effect, Layer, Logger, References } from "effect"
import { errorMessage } from "../src/errorMessage.ts"
import { asResult } from "../src/Tool.ts"

const said = "s3cret at 10.0.0.1 in /var/lib/docker"

describe("the error that a model reads", () => {
  it("contains no text of an engine, a registry or a database", () => {
    for (const error of [
      new EngineError({
        operation: "create a sandbox",
        reason: { _tag: "Failed" },
        status: 500,
        detail: said,
      }),
      new EngineError({ operation: "start a sandbox", reason: { _tag: "Failed" }, detail: said }),
      new EngineError({
        operation: "start a sandbox",
        reason: { _tag: "NotUnderstood" },
        detail: said,
      }),
      new LeaseStoreFailed({ operation: `open ${said}`, reason: said }),
      new EngineUnreachable({ endpoint: said, reason: said }),
      Unexpected.of(new Error(said)),
    ]) {
      const message = errorMessage(error)
      if (error instanceof EngineError) assert.include(message, error.operation)
      assert.include(message, "tell the user")
      for (const word of ["s3cret", "10.0.0.1", "/var"]) assert.notInclude(message, word)
    }
    assert.throws(
      () =>
        // As from a driver in JavaScript.
        new ImagePullFailed({ image: "x", reason: said as "other" }),
    )
  })

  it("contains Cordon's own words on what the engine can't do", () => {
    const detail = "its runtime keeps the files where the engine does not see them"
    const error = EngineError.notDone("snapshot a sandbox", detail)
    assert.include(errorMessage(error), detail)
  })

  it.effect("is complete in the program's log", () =>
    Effect.gen(function* () {
      const logged: Array<unknown> = []
      const logger = Logger.make(({ message }) => void logged.push(message))
      const error = new EngineError({
        operation: "create a sandbox",
        reason: { _tag: "Failed" },
        status: 500,
        detail: said,
      })
      yield* asResult("sandbox_create", Effect.fail(error)).pipe(
        Effect.provide(
          Layer.mergeAll(Logger.layer([logger]), Layer.succeed(References.MinimumLogLevel, "Warn")),
        ),
      )
      assert.include(logged.flat(), error)
    }),
  )
})
