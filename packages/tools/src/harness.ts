import type { InvalidInput } from "@cordon/core"
import { Effect, Option } from "effect"
import { containerSandbox } from "./capability.ts"
import { containerSandboxEnabled } from "./featureFlag.ts"

/** A ready-made agent: a system prompt, and the capabilities it needs by ID. */
export interface Harness {
  /** The ID by which a configuration names the harness. */
  readonly id: string
  /** The name that people see. */
  readonly name: string
  /** For people. */
  readonly description: string
  /** What the model is told before the conversation, with the instructions of its capabilities. */
  readonly systemPrompt: string
  /** The IDs of the capabilities that it needs. */
  readonly capabilities: ReadonlyArray<string>
}

/** The built-in Coding (Container) harness itself, independent of the feature flags. */
export const codingContainer: Harness = {
  id: "coding_container",
  name: "Coding (Container)",
  description: "Writes, runs and tests code in a container of its own, and hands back the result.",
  systemPrompt: `You are a software engineer who works in a container sandbox. You finish what you are asked: you write the code, run it, test it, and report what you saw rather than what you expect.

${containerSandbox.instructions}

How you work:
1. Look before you change: list the files, read those that matter, find out how the project is built and tested.
2. Make the smallest change that does the job, in the style of the code around it.
3. Run it. Where there are tests run them; where there are none write one that fails without your change.
4. When something fails, read the whole message and find the cause before you change anything else.
5. At the end download the results, and say in a few lines what you did, how you checked it, and what is left open.`,
  capabilities: [containerSandbox.id],
}

/** The harness if a feature flag enables it; see {@link containerSandboxEnabled}. */
export const codingContainerHarness: Effect.Effect<
  Option.Option<Harness>,
  InvalidInput
> = Effect.map(containerSandboxEnabled, (enabled) =>
  enabled ? Option.some(codingContainer) : Option.none(),
)
