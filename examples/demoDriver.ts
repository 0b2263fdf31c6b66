/** Chooses the demo's driver: an engine with an image that it has or can pull, otherwise memory. */
import { type CordonError, createSandboxes, type SandboxDriver } from "@cordon/core"
import { DockerEngine, docker, findEndpoint, localEngine } from "@cordon/driver-docker"
import { memory } from "@cordon/driver-memory"
import { Effect, type Layer } from "effect"

/** What the choice needs to know about the machine. */
export interface Machine {
  /** The preferred image. */
  readonly wanted: string
  /** Returns the name of the engine that answers; rejects if none does. */
  readonly engine: () => Promise<string>
  /** The images that the engine has. */
  readonly images: () => Promise<ReadonlyArray<string>>
  /** Rejects if the demo's commands can't run in a sandbox of this image. */
  readonly trial: (image: string) => Promise<void>
}

/** The demo's driver, and the reason; in memory if there is no image. */
export interface Choice {
  readonly image: string | undefined
  readonly why: string
}

const inMemory = (why: string): Choice => ({
  image: undefined,
  why: `${why}: using the in-memory driver, which isolates nothing`,
})

const reasonOf = (error: unknown) => {
  const [line = ""] = (error instanceof Error ? error.message : String(error)).split("\n")
  return line.replace(/\.$/, "")
}

/** The most likely images first, and few enough to try quickly. */
const candidates = (images: ReadonlyArray<string>, wanted: string) => {
  const known = /(?:^|\/)(?:ubuntu|debian|node|python|alpine|busybox)(?::|$)/
  const others = images.filter((image) => image !== wanted && !image.includes("<none>"))
  const rank = (image: string) => (known.test(image) ? 0 : 1)
  return others.sort((one, other) => rank(one) - rank(other)).slice(0, 8)
}

/** Uses an engine that answers, if it has an image for the demo or can pull it. */
export const choose = async ({ wanted, engine, images, trial }: Machine): Promise<Choice> => {
  let host: string
  try {
    host = await engine()
  } catch (error) {
    return inMemory(reasonOf(error))
  }
  try {
    await trial(wanted)
    return { image: wanted, why: `${host} answered: using the image ${wanted}` }
  } catch (error) {
    const because = `${host} answered, but ${wanted} can't be used (${reasonOf(error)})`
    for (const image of candidates(await images().catch(() => []), wanted)) {
      const fits = await trial(image).then(
        () => true,
        () => false,
      )
      if (fits) return { image, why: `${because}: using the image ${image}, which it has` }
    }
    return inMemory(`${because}, nor any image that it has`)
  }
}

/** The engine that the docker command would use. */
const machine = (wanted: string): Machine => ({
  wanted,
  engine: async () => {
    await using sandboxes = createSandboxes({ driver: docker() })
    return (await sandboxes.capabilities()).host
  },
  images: () =>
    Effect.gen(function* () {
      const { host } = yield* findEndpoint()
      const list = Effect.flatMap(DockerEngine, ({ imageList }) => imageList({}))
      const found = yield* Effect.provide(list, localEngine(host.replace(/^\w+:\/\//, "")))
      return found.flatMap(({ RepoTags }) => RepoTags ?? [])
    }).pipe(Effect.runPromise),
  trial: async (image) => {
    await using sandboxes = createSandboxes({ driver: docker(), image, network: "none" })
    const sandbox = await sandboxes.create({ limits: { memory: "256MiB" } })
    await sandbox.run("command -v awk && command -v sort && command -v cat")
  },
})

/** Chooses the demo's driver, with the reason in one line. */
export const chooseDriver = async (
  wanted: string,
): Promise<{
  readonly driver: Layer.Layer<SandboxDriver, CordonError>
  readonly choice: Choice
}> => {
  const choice = await choose(machine(wanted))
  return { choice, driver: choice.image === undefined ? memory() : docker() }
}
