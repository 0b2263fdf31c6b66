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
 * The registry credentials for a swarm's nodes. A node runs its local image even if the registry
 * refuses it, and does not report why it has none. So a manager asks the registry instead.
 */
export const makeRegistry = (manager: Manager) => {
  const rights = makeImageRights()

  const ask = (image: string, { header, refused }: RegistryAuth): Effect.Effect<void, Refused> =>
    manager
      .askRegistry(image, header)
      .pipe(Effect.catchTag("EngineError", ({ detail }) => pullFailure(image, detail, refused)))

  return {
    /** The credentials for an image. Asks its registry first if it must. */
    open: Effect.fn("openImage")(function* (
      image: string,
      access: ImageAccess | undefined,
    ): Effect.fn.Return<RegistryAuth, Refused> {
      const auth = yield* registryAuth(image, access)
      // Nobody knows which nodes have the image: each node may pull it for the first time.
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
