#!/usr/bin/env node
import { unsupportedNode } from "@cordon/core/node"

const reason = unsupportedNode()
if (reason === undefined) await import("./main.ts")
else {
  console.error(reason)
  process.exitCode = 1
}
