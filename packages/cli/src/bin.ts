#!/usr/bin/env node
import * as module from "node:module"
import { unsupportedNode } from "@cordon/core/node"

const reason = unsupportedNode()
if (reason === undefined) {
  // Compiling takes half of a short command's time, so Node caches compiled code.
  module.enableCompileCache()
  const { main } = await import("./main.ts")
  main()
} else {
  console.error(reason)
  process.exitCode = 1
}
