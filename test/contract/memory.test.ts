import { driverContract } from "./index.ts"
import { inMemory, lacks } from "./memory.ts"

driverContract("memory", { layer: inMemory(), image: "ubuntu:24.04", lacks, runs: 200 })
