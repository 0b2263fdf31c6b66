import type { PromiseSandbox } from "@cordon/core"
import { Effect } from "effect"
import { noEngine } from "../support/docker.ts"
import { gitHost, introduce } from "../support/gitHost.ts"
import { needs } from "../support/skips.ts"

/** An image with git. */
export const gitImage = process.env["CORDON_TEST_GIT_IMAGE"] ?? ""

export const noGitImage =
  gitImage === ""
    ? (noEngine ?? needs("an image", "CORDON_TEST_GIT_IMAGE is not set, as CI does"))
    : noEngine

/** Repositories on this machine for as long as the body runs; `meet` lets a sandbox reach them. */
export const withForge = (
  body: (url: string, meet: (sandbox: PromiseSandbox) => Promise<void>) => Promise<void>,
) =>
  Effect.gen(function* () {
    const { url, ca } = yield* gitHost
    const meet = (sandbox: PromiseSandbox) =>
      Effect.runPromise(
        introduce({ run: (...args) => Effect.promise(() => sandbox.run(...args)) }, ca),
      )
    yield* Effect.promise(() => body(url, meet))
  }).pipe(Effect.scoped, Effect.runPromise)
