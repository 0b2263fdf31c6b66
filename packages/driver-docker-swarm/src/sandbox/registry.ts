import { type HostError, type ImageAccess, ImageNotFound, type ImagePullFailed } from "@cordon/core"
import {
  makeImageRights,
  pullFailure,
  type RegistryAuth,
  registryAuth,
} from "@cordon/driver-docker/sandbox"
import { Effect } from "effect"
import type { Manager } from "../manager/Manager.ts"

type Refused = ImageNotFound | ImagePullFailed | HostError

/**
 * With what the nodes of a swarm pull images. A node runs what it has where its registry refuses it, and
 * does not say why it has nothing, so that a manager asks the registry in its place.
 */
export const makeRegistry = (manager: Manager) => {
  const rights = makeImageRights()

  const ask = (image: string, { header, refused }: RegistryAuth): Effect.Effect<void, Refused> =>
    manager
      .askRegistry(image, header)
      .pipe(Effect.catchTag("EngineError", ({ detail }) => pullFailure(image, detail, refused)))

  return {
    /** The credentials for an image, whose registry is asked where it must be. */
    open: Effect.fn("openImage")(function* (
      image: string,
      access: ImageAccess | undefined,
    ): Effect.fn.Return<RegistryAuth, Refused> {
      const auth = yield* registryAuth(image, access)
      // Which nodes have the image nobody knows: for each it may be the first time.
      rights.pulling(image, access)
      if (rights.mustAsk(image, access)) {
        yield* ask(image, auth)
        rights.had(image, access)
      }
      return auth
    }),

    /** Why no node has an image. */
    explain: (image: string, auth: RegistryAuth): Effect.Effect<never, Refused> =>
      Effect.andThen(ask(image, auth), Effect.fail(new ImageNotFound({ image }))),
  }
}
export type Registry = ReturnType<typeof makeRegistry>
