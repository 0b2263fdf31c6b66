import { ImageNotFound, ImagePullFailed, type PullFailure } from "@cordon/core"
import { Effect } from "effect"

const notFound =
  /manifest unknown|not found|does not exist|pull access denied|repository name not known|no such image/i

/** Messages of engines and registries. The first match decides. */
const reasons: ReadonlyArray<readonly [PullFailure, RegExp]> = [
  [
    "platform",
    /no matching manifest|does not match the specified platform|image operating system/i,
  ],
  ["busy", /toomanyrequests|too many requests|rate limit/i],
  [
    "login",
    /unauthorized|authentication required|no basic auth|incorrect username|denied|forbidden/i,
  ],
  ["timeout", /time-?out|timed out|deadline exceeded|request canceled while waiting/i],
  ["certificate", /x509|certificate|\btls\b|server gave HTTP response to HTTPS client/i],
  ["space", /no space left|disk quota exceeded/i],
  [
    "unreachable",
    /no such host|connection refused|no route to host|network is unreachable|server misbehaving|connection reset|dial tcp|\bEOF\b/i,
  ],
]

/**
 * The reason why a pull failed, from the engine's message. The message itself goes to the program's
 * debug log.
 *
 * @param refused the meaning of a registry's demand for a login, or refusal of one
 */
export const pullFailure = (
  image: string,
  detail: string,
  refused: PullFailure = "login",
): Effect.Effect<never, ImageNotFound | ImagePullFailed> =>
  Effect.logDebug("The engine could not pull an image", { image, detail }).pipe(
    Effect.andThen(Effect.fail(failureOf(image, detail, refused))),
  )

const failureOf = (image: string, detail: string, refused: PullFailure) => {
  const unread = refused === "helper" && /denied|login/i.test(detail)
  if (notFound.test(detail) && !unread) return new ImageNotFound({ image })
  const reason = reasons.find(([, said]) => said.test(detail))?.[0] ?? "other"
  return new ImagePullFailed({ image, reason: reason === "login" ? refused : reason })
}
