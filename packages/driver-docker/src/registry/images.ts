import {
  type HostError,
  type ImageAccess,
  type ImageNotFound,
  type ImagePullFailed,
  makeKeyedLock,
  type PullProgress,
} from "@cordon/core"
import { Effect, Option, Stream } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import type { ImageInspect } from "../engine/schemas.ts"
import { makeImageRights } from "./ImageRights.ts"
import { pullFailure } from "./pullFailure.ts"
import { registryAuth } from "./registryAuth.ts"

type Engine = DockerEngine["Service"]
type ImageError = ImageNotFound | ImagePullFailed | HostError
type OnProgress = (progress: PullProgress) => Effect.Effect<void>

/** An image, and the credentials for it. */
export interface Wanted {
  readonly image: string
  readonly access?: ImageAccess | undefined
}

/** Without a tag the engine would pull every tag of the repository. */
const withTag = (image: string) =>
  /[:@]/.test(image.slice(image.lastIndexOf("/") + 1)) ? image : `${image}:latest`

const pullImage = Effect.fnUntraced(function* (
  engine: Engine,
  { image, access }: Wanted,
  onProgress: OnProgress,
): Effect.fn.Return<void, ImageError> {
  const { header, refused } = yield* registryAuth(image, access)
  yield* engine.imagePull(withTag(image), header).pipe(
    Stream.catchTag("EngineError", ({ detail }) =>
      Stream.fromEffect(pullFailure(image, detail, refused)),
    ),
    Stream.runForEach((message) =>
      message.error == null
        ? onProgress({
            image,
            status: message.status ?? "",
            layer: message.id ?? undefined,
            current: message.progressDetail?.current ?? undefined,
            total: message.progressDetail?.total ?? undefined,
          })
        : pullFailure(image, message.error, refused),
    ),
  )
})

/** Makes images available: see {@link Images}. */
export const makeImages = (engine: Engine): Images => {
  const rights = makeImageRights()
  const pulling = makeKeyedLock<string>()

  const find = (image: string) =>
    engine.imageInspect(image).pipe(
      Effect.asSome,
      Effect.catchReason("EngineError", "NotFound", () => Effect.succeedNone),
    )

  const ask = (wanted: Wanted, onProgress: OnProgress) =>
    Effect.gen(function* () {
      yield* pullImage(engine, wanted, onProgress)
      rights.had(wanted.image, wanted.access)
      return yield* engine.imageInspect(wanted.image)
    })

  const provide: Images["provide"] = (wanted, onProgress) =>
    Effect.gen(function* () {
      const { image, access } = wanted
      const mayHave = (found: Option.Option<ImageInspect>): found is Option.Some<ImageInspect> =>
        Option.isSome(found) && !rights.mustAsk(image, access)
      const found = yield* find(image)
      if (mayHave(found)) return found.value
      // Nothing is transferred, so this need not wait for other pulls.
      if (Option.isSome(found)) return yield* ask(wanted, onProgress)
      // One pull at a time: a caller that waited finds the image present.
      return yield* pulling(image)(
        Effect.gen(function* () {
          const found = yield* find(image)
          if (mayHave(found)) return found.value
          if (Option.isNone(found)) rights.pulling(image, access)
          return yield* ask(wanted, onProgress)
        }),
      )
    }).pipe(Effect.withSpan("provideImage"))

  return { provide }
}

/** The images of one engine, for use by sandboxes. */
export interface Images {
  /**
   * Makes an image available. Uses the host's image if the registry need not be asked; otherwise
   * pulls it, with progress.
   */
  readonly provide: (
    wanted: Wanted,
    onProgress: OnProgress,
  ) => Effect.Effect<ImageInspect, ImageError>
}
