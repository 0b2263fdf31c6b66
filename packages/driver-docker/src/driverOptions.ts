import { type InputSchema, optionNames } from "@cordon/core"
import { Schema } from "effect"
import type { DockerDriverOptions } from "./DockerDriver.ts"
import type { EgressOptions } from "./network/egress.ts"
import type { Ulimits } from "./Ulimits.ts"
import type { WarmPoolOptions } from "./warm/WarmPool.ts"

/** The names of the options that all Docker drivers share, for `optionNames`. */
export const driverOptions = {
  hostId: true,
  subnetPool: true,
  runtimeNames: true,
  warmPool: Schema.Union([
    Schema.Number,
    optionNames<WarmPoolOptions>({ size: true, kinds: true, networks: true }),
  ]),
  egress: optionNames<EgressOptions>({ image: true, network: true, hosts: true }),
  linkLocal: Schema.Boolean,
  cpusets: Schema.Boolean,
  ulimits: optionNames<Ulimits>({ nofile: true, nproc: true }),
} satisfies Readonly<Record<keyof Required<DockerDriverOptions>, true | InputSchema>>
