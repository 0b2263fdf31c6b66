import type { HostError, ImageNotFound, ImagePullFailed, PullProgress } from "@cordon/core"
import { Effect, Stream } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"
import type { ImageInspect } from "../engine/schemas.ts"
import { pullFailure } from "./pullFailure.ts"

type Engine = DockerEngine["Service"]
type ImageError = ImageNotFound | ImagePullFailed | HostError

/** Without a tag the engine would pull every tag there is. */
const withTag = (image: string) =>
  /[:@]/.test(image.slice(image.lastIndexOf("/") + 1)) ? image : `${image}:latest`

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
          Stream.catchTag("EngineError", ({ detail }) =>
            Stream.fromEffect(pullFailure(image, detail)),
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
              : pullFailure(image, message.error),
          ),
          Effect.andThen(inspect),
        ),
    ),
  )
})
