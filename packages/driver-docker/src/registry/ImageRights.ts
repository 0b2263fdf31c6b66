import { type ImageAccess, parseImage } from "@cordon/core"
import { Option } from "effect"

/** A repository with all its tags and digests. */
const repositoryOf = (image: string) =>
  Option.match(parseImage(image), {
    onNone: () => image,
    onSome: ({ registry, repository }) => `${registry}/${repository}`,
  })

/**
 * Tracks the images that an engine has only because of one creation's credentials. For every other
 * creation the registry must grant access again, as if the engine did not have the image.
 */
export const makeImageRights = () => {
  const opened = new Set<string>()
  return {
    /** Whether the registry must be asked about an image that the engine has. */
    mustAsk: (image: string, access: ImageAccess | undefined): boolean =>
      access?.always === true || opened.has(repositoryOf(image)),
    /** Call this before the pull of an image that the engine does not have. */
    pulling: (image: string, access: ImageAccess | undefined): void => {
      if (access?.as === "creation") opened.add(repositoryOf(image))
    },
    /** Call this after the registry granted access to the image. */
    had: (image: string, access: ImageAccess | undefined): void => {
      if (access?.as !== "creation") opened.delete(repositoryOf(image))
    },
  }
}
export type ImageRights = ReturnType<typeof makeImageRights>
