import { Option, Schema } from "effect"
import { ImageReference } from "./Sandbox.ts"

/** What an image reference names, as engines read it. */
export interface ImageName {
  /** `docker.io` where the reference names none. */
  readonly registry: string
  /** Below the registry: `library/ubuntu`, `acme/tool`. */
  readonly repository: string
  /** `latest` where the reference has neither a tag nor a digest. */
  readonly tag: string | undefined
  /** Where there is one, the tag means nothing. */
  readonly digest: string | undefined
}

const isReference = Schema.is(ImageReference)
const dockerHub = "docker.io"

/** Whether the first part of a name is a registry rather than a part of the repository. */
const isRegistry = (part: string) =>
  part === "localhost" || /[.:]/.test(part) || part !== part.toLowerCase()

const registryName = (host: string) => {
  const name = host.toLowerCase()
  return name === `index.${dockerHub}` ? dockerHub : name
}

/** Takes a reference apart by the grammar of Docker's references; none where it is not one. */
export const parseImage = (reference: string): Option.Option<ImageName> => {
  if (!isReference(reference)) return Option.none()
  const [named = "", digest] = reference.split("@")
  const colon = named.indexOf(":", named.lastIndexOf("/") + 1)
  const name = colon < 0 ? named : named.slice(0, colon)
  const tag = colon < 0 ? undefined : named.slice(colon + 1)
  const slash = name.indexOf("/")
  const hasRegistry = slash > 0 && isRegistry(name.slice(0, slash))
  const registry = hasRegistry ? registryName(name.slice(0, slash)) : dockerHub
  const path = hasRegistry ? name.slice(slash + 1) : name
  return Option.some({
    registry,
    repository: registry === dockerHub && !path.includes("/") ? `library/${path}` : path,
    tag: digest === undefined ? (tag ?? "latest") : undefined,
    digest: digest?.toLowerCase(),
  })
}

/**
 * Whether engines may take a reference for the ID (or its beginning) of any image that they have: of
 * one under a private name, or of somebody's snapshot.
 */
export const mayBeImageId = (reference: string): boolean =>
  /^[0-9a-f]+$/i.test(reference) || /^sha\d+:/i.test(reference)

/** The host of a registry, with its port where it has one: `ghcr.io`, `registry.example.com:5000`. */
export const RegistryHost = Schema.String.pipe(
  Schema.check(
    Schema.isMaxLength(260),
    Schema.isPattern(
      /^[a-z0-9](?:[a-z0-9-]*[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]*[a-z0-9])?)*(?::\d{1,5})?$/,
      {
        expected:
          "a registry's host in lower case such as ghcr.io or registry.example.com:5000, without a scheme or a path",
      },
    ),
  ),
  Schema.annotate({ title: "RegistryHost" }),
)

const everything = "*"

/** What the names of images below a pattern such as `ghcr.io/acme/*` begin with; none for another. */
const below = (pattern: string) =>
  pattern.endsWith("/*")
    ? // Two parts, since one alone would be read as an image of Docker Hub's library.
      Option.map(parseImage(`${pattern.slice(0, -1)}x/x`), ({ registry, repository }) => ({
        registry,
        path: repository.slice(0, -"x/x".length),
      }))
    : Option.none()

/**
 * Which images a pattern stands for: `python`, any tag of that repository; `python:3.12`, that tag;
 * `python@sha256:...`, that digest; `ghcr.io/acme/*`, each repository below; `*`, whatever the engine
 * has or gets.
 */
export const ImagePattern = Schema.String.pipe(
  Schema.check(
    Schema.isMaxLength(512),
    Schema.makeFilter(
      (pattern: string) =>
        pattern === everything || isReference(pattern) || Option.isSome(below(pattern)),
      {
        expected:
          'a repository ("python"), an image ("python:3.12"), all below a name ("ghcr.io/acme/*"), or "*"',
      },
    ),
  ),
  Schema.annotate({ title: "ImagePattern" }),
)

/** Whether two references name the same image. */
export const sameImage = (one: string, other: string): boolean => {
  if (one === other) return true
  if (mayBeImageId(one) || mayBeImageId(other)) return false
  const [a, b] = [parseImage(one), parseImage(other)].map(Option.getOrUndefined)
  return (
    a !== undefined &&
    b !== undefined &&
    a.registry === b.registry &&
    a.repository === b.repository &&
    a.tag === b.tag &&
    a.digest === b.digest
  )
}

/** Whether an {@link ImagePattern} stands for an image. */
export const matchesImage = (pattern: string, reference: string): boolean => {
  if (pattern === everything || pattern === reference) return true
  const image = Option.getOrUndefined(parseImage(reference))
  if (image === undefined || mayBeImageId(reference)) return false
  const folder = Option.getOrUndefined(below(pattern))
  if (folder !== undefined) {
    return image.registry === folder.registry && image.repository.startsWith(folder.path)
  }
  if (/[:@]/.test(pattern.slice(pattern.lastIndexOf("/") + 1))) return sameImage(pattern, reference)
  const wanted = Option.getOrUndefined(parseImage(pattern))
  return image.registry === wanted?.registry && image.repository === wanted.repository
}
