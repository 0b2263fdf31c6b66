import { spread } from "../../examples/spread-driver.ts"
import { driverContract } from "./index.ts"
import { inMemory, lacks } from "./memory.ts"

// The example of a driver of one's own passes what every driver passes.
driverContract("spread over three in memory", {
  layer: spread([inMemory(), inMemory(), inMemory()]),
  image: "ubuntu:24.04",
  lacks,
  runs: 50,
})
