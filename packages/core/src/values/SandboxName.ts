import { Schema } from "effect"

/**
 * A sandbox's name, unique within its session: a DNS label of at most 38 characters, so that
 * {@link SandboxId} stays within 63 and is valid as a container, host and Pod name alike.
 */
export const SandboxName = Schema.String.pipe(
  Schema.check(
    Schema.isPattern(/^[a-z0-9](?:[a-z0-9-]{0,36}[a-z0-9])?$/, {
      expected:
        "1 to 38 characters: lower-case letters, digits and inner hyphens (for example web-1)",
    }),
  ),
  Schema.brand("SandboxName"),
  Schema.annotate({
    title: "SandboxName",
    description: "1 to 38 lower-case letters, digits and inner hyphens",
  }),
)
export type SandboxName = typeof SandboxName.Type
