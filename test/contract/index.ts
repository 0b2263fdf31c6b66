import { Sandboxes, type SettingsInput } from "@cordon/core"
import { Layer, Struct } from "effect"
import { onLayer } from "../support/onLayer.ts"
import { type CreateOptions, makeSandbox } from "../support/sandbox.ts"
import { needs } from "../support/skips.ts"
import { archivesContract } from "./driver/archives.ts"
import { commandsContract } from "./driver/commands.ts"
import { creationContract } from "./driver/creation.ts"
import { filesContract } from "./driver/files.ts"
import { lifecycleContract } from "./driver/lifecycle.ts"
import { outputContract } from "./driver/output.ts"
import { pathsContract } from "./driver/paths.ts"
import { shellContract } from "./driver/shell.ts"
import { type DriverOptions, driverStage } from "./driver/stage.ts"
import { tagsContract } from "./driver/tags.ts"
import { timeoutsContract } from "./driver/timeouts.ts"
import { usersContract } from "./driver/users.ts"
import { featuresContract } from "./sandbox/features.ts"
import { foldersContract } from "./sandbox/folders.ts"
import { gitContract } from "./sandbox/git.ts"
import { gitCredentialsContract } from "./sandbox/gitCredentials.ts"
import { gitMissingContract } from "./sandbox/gitMissing.ts"
import { homeContract } from "./sandbox/home.ts"
import { onOutputContract } from "./sandbox/onOutput.ts"
import { pausingContract } from "./sandbox/pausing.ts"
import { portsContract } from "./sandbox/ports.ts"
import { processBoundsContract } from "./sandbox/processBounds.ts"
import { processesContract } from "./sandbox/processes.ts"
import { searchContract } from "./sandbox/search.ts"
import { secretsContract } from "./sandbox/secrets.ts"
import { shellsContract } from "./sandbox/shells.ts"
import { snapshotsContract } from "./sandbox/snapshots.ts"
import type { FeatureOptions, FeatureStage } from "./sandbox/stage.ts"
import { statsContract } from "./sandbox/stats.ts"
import { terminalsContract } from "./sandbox/terminals.ts"
import { textContract } from "./sandbox/text.ts"
import { transfersContract } from "./sandbox/transfers.ts"
import { watchingContract } from "./sandbox/watching.ts"

/**
 * What each driver must pass: the promises of `SandboxDriver`, without any feature. A driver names the few
 * tests that it can't pass in `lacks`, each with the reason.
 */
export const driverContract = (driverName: string, options: DriverOptions): void =>
  onLayer(
    `SandboxDriver contract: ${driverName}`,
    options.layer,
    { unavailable: options.unavailable },
    (check) => {
      const stage = driverStage(options, check)
      creationContract(stage)
      tagsContract(stage)
      lifecycleContract(stage)
      commandsContract(stage)
      shellContract(stage)
      outputContract(stage)
      timeoutsContract(stage)
      usersContract(stage)
      filesContract(stage)
      pathsContract(stage)
      archivesContract(stage)
    },
  )

/**
 * What `Sandboxes` does over each driver, in parts. A part with the name of a feature needs that feature,
 * and is skipped with the reason that the driver gives in `lacks`.
 */
const parts = {
  features: featuresContract,
  // These need no feature.
  secrets: secretsContract,
  onOutput: onOutputContract,
  folders: foldersContract,
  home: homeContract,
  text: textContract,
  search: searchContract,
  watching: watchingContract,
  transfers: transfersContract,
  shells: shellsContract,
  // Each of these needs the feature of its name.
  processes: (stage: FeatureStage) => {
    processesContract(stage)
    processBoundsContract(stage)
  },
  terminals: terminalsContract,
  ports: portsContract,
  stats: statsContract,
  pause: pausingContract,
  snapshots: snapshotsContract,
  gitMissing: gitMissingContract,
} as const

export type Part = keyof typeof parts

/** Some parts of the contract, where a driver does not run all of them. */
export const partsContract = (
  title: string,
  names: ReadonlyArray<keyof typeof parts>,
  options: FeatureOptions,
  more: (stage: FeatureStage) => void = () => {},
): void => {
  const { image, unavailable, timeout, lacks = {} } = options
  const settings: SettingsInput = {
    image,
    network: "none",
    limits: { memory: "256MiB" },
    allow: { networks: ["bridge"] },
    ...options.settings,
  }
  const layer = Sandboxes.layer(settings).pipe(Layer.provideMerge(options.layer))
  onLayer(title, layer, { unavailable, timeout }, (check) => {
    const stage = { check, layer, image, lacks }
    for (const name of names) parts[name](stage)
    more(stage)
  })
}

/** All parts, and cloning where there is an image with git. */
export const featureContract = (
  driverName: string,
  options: FeatureOptions & {
    /** An image with git, whose sandboxes have a way out to this machine. Cloning is tested where it is named. */
    readonly gitImage?: string | undefined
    /** This machine as those sandboxes reach it, where that is not where their network leads out. */
    readonly machine?: string | undefined
  },
): void => {
  const { lacks = {}, gitImage, machine } = options
  const noClones = lacks.git ?? lacks.wayOut
  const noImage =
    gitImage === undefined
      ? needs("an image", "CORDON_TEST_GIT_IMAGE is not set, as CI does")
      : undefined
  partsContract(`Features: ${driverName}`, Struct.keys(parts), options, ({ check }) => {
    if (!("gitImage" in options) && noClones === undefined) return
    const image = gitImage === undefined ? {} : { image: gitImage }
    const stage = {
      check,
      machine,
      make: (create: CreateOptions = {}) => makeSandbox({ ...image, network: "bridge", ...create }),
      lack: noClones ?? noImage,
    }
    gitContract(stage)
    gitCredentialsContract(stage)
  })
}
