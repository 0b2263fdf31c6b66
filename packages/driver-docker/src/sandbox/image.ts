import { type HostError, ImageNotFound, ImagePullFailed, type PullProgress } from "@cordon/core"
import { Effect, Stream } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import type { ImageInspect } from "../engine/schemas.ts"

type Engine = DockerEngine["Service"]
type ImageError = ImageNotFound | ImagePullFailed | HostError

/** Without a tag the engine would pull every tag there is. */
const withTag = (image: string) =>
  /[:@]/.test(image.slice(image.lastIndexOf("/") + 1)) ? image : `${image}:latest`

const notFound =
  /manifest unknown|not found|does not exist|pull access denied|repository name not known|no such image/i

const pullError = (image: string, detail: string): ImageError =>
  notFound.test(detail)
    ? new ImageNotFound({ image })
    : new ImagePullFailed({ image, reason: detail })

/** Makes an image available: the host's own, else pulled with progress. */
export const provideImage = Effect.fn("provideImage")(function* (
  engine: Engine,
  image: string,
  onProgress: (progress: PullProgress) => Effect.Effect<void>,
): Effect.fn.Return<ImageInspect, ImageError> {
  const inspect = engine.imageInspect(image)
  return yield* inspect.pipe(
    Effect.catchIf(
      (error) => error._tag === "EngineError" && error.status === 404,
      () =>
        engine.imagePull(withTag(image)).pipe(
          Stream.mapError((error) =>
            error._tag === "EngineError" ? pullError(image, error.detail) : error,
          ),
          Stream.runForEach((message) =>
            message.error == null
              ? onProgress({
                  image,
                  status: message.status ?? "",
                  ...(message.id == null ? {} : { layer: message.id }),
                  ...(message.progressDetail?.current == null
                    ? {}
                    : { current: message.progressDetail.current }),
                  ...(message.progressDetail?.total == null
                    ? {}
                    : { total: message.progressDetail.total }),
                })
              : Effect.fail(pullError(image, message.error)),
          ),
          Effect.andThen(inspect),
        ),
    ),
  )
})
