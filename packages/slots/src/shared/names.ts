import { createHash } from "node:crypto"

/**
 * The name of the sandbox that stands for an ID of a framework's, the same in every process. An ID may
 * hold any character, and be longer than a name.
 */
export const nameFor = (prefix: string, id: string): string =>
  `${prefix}-${createHash("sha256")
    .update(id)
    .digest("hex")
    .slice(0, 37 - prefix.length)}`
