import type { Sandbox, Sandboxes } from "@cordon/core"
import { Effect, type Scope } from "effect"
import { gitHost, introduce } from "../../support/gitHost.ts"
import type { Check } from "../../support/onLayer.ts"
import type { CreateOptions } from "../../support/sandbox.ts"

/** What cloning is tested on. */
export interface GitStage {
  readonly check: Check<Sandboxes>
  /** A sandbox of an image with git and a way out. */
  readonly make: (
    options?: CreateOptions,
  ) => Effect.Effect<Sandbox, unknown, Sandboxes | Scope.Scope>
  /** This machine as the sandboxes reach it, where that is not where their network leads out. */
  readonly machine?: string | undefined
  /** Why none of it can run. */
  readonly lack: string | undefined
}

/** Tests with a git server of their own, and a sandbox that trusts it. */
export const gitStage = (stage: GitStage) => {
  const check: Check<Sandboxes> = (name, body) => stage.check(name, body, stage.lack)
  const prepared = (options: CreateOptions = {}) =>
    Effect.gen(function* () {
      const host = yield* gitHost
      const sandbox = yield* stage.make(options)
      yield* introduce(sandbox, host.ca, stage.machine)
      const project = `${host.url}/private/project.git`
      return { host, sandbox, project }
    })
  return { check, prepared }
}

/** All that is in the working directory, whatever it is called. */
export const left = (sandbox: Sandbox) =>
  Effect.map(sandbox.files.list(".", { depth: 3 }), (entries) => entries.map(({ path }) => path))
