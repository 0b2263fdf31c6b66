// Imported before all else: what a package needs of a newer Node would fail with its own words.
import { unsupportedNode } from "./node.ts"

const reason = unsupportedNode()
if (reason !== undefined) {
  const error = new Error(reason)
  // Where it was thrown says nothing to whoever has to install another Node.
  error.stack = `Error: ${reason}`
  throw error
}
