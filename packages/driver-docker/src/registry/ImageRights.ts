import { type ImageAccess, parseImage } from "@cordon/core"
import { Option } from "effect"

/** A repository with all its tags and digests. */
const repositoryOf = (image: string) =>
  Option.match(parseImage(image), {
    onNone: () => image,
    onSome: ({ registry, repository }) => `${registry}/${repository}`,
  })

/**
 * Which images an engine has because one creation's credentials opened them. To everybody else they are
 * as if the engine did not have them: its registry says who may.
 */
export const makeImageRights = () => {
  const opened = new Set<string>()
  return {
    /** Whether the registry is to be asked for an image that the engine has. */
    mustAsk: (image: string, access: ImageAccess | undefined): boolean =>
      access?.always === true || opened.has(repositoryOf(image)),
    /** To be called before a pull of an image that the engine did not have. */
    pulling: (image: string, access: ImageAccess | undefined): void => {
      if (access?.as === "creation") opened.add(repositoryOf(image))
    },
    /** The registry gave it, or would have. */
    had: (image: string, access: ImageAccess | undefined): void => {
      if (access?.as !== "creation") opened.delete(repositoryOf(image))
    },
  }
}
export type ImageRights = ReturnType<typeof makeImageRights>
