import { Schema } from "effect"
import { quote } from "./quote.ts"
import { TaggedError } from "./TaggedError.ts"

/** Neither the host nor the registry has an image of that name. */
export class ImageNotFound extends TaggedError<ImageNotFound>()("ImageNotFound", {
  /** The image that was asked for. */
  image: Schema.String,
}) {
  override get message() {
    return `Image ${quote(this.image)} is neither on the host nor in its registry. Check the name and the tag. A registry may give the same answer for a private image when credentials are missing or wrong.`
  }
}

/**
 * Why an image could not be pulled. No text of a registry or an engine is among them: a model that names an
 * image must not read what is at an address through an engine's words.
 */
export const PullFailure = Schema.Literals([
  "login",
  "credentials",
  "helper",
  "busy",
  "certificate",
  "timeout",
  "unreachable",
  "space",
  "platform",
  "other",
])
export type PullFailure = typeof PullFailure.Type

const pullFailures: Readonly<Record<PullFailure, string>> = {
  login:
    "its registry requires a login; give registryCredentials for it or run docker login, and name the image in the settings (image, allow.images)",
  credentials:
    "its registry refuses the credentials; check that they are correct, not expired, and give access to this image",
  helper:
    "the credentials for its registry could not be read from Docker's configuration on this machine; the program's log has the reason",
  busy: "its registry has too many requests now",
  certificate: "its registry has no certificate that the host trusts, or does not speak TLS",
  timeout: "its registry did not answer in time",
  unreachable: "its registry can't be reached from the host",
  space: "the host has no disk space left for it",
  platform: "the image does not exist for the host's architecture",
  other: "its registry or the engine failed; the program's debug log has their message",
}

/** The reasons that say themselves what to do. */
const advised: ReadonlyArray<PullFailure> = ["login", "credentials", "helper"]
const otherwise =
  "Check the host's access to the registry, or use an image that the host already has."

/** The registry or the way to it failed; the image may well exist. */
export class ImagePullFailed extends TaggedError<ImagePullFailed>()("ImagePullFailed", {
  /** The image that was to be pulled. */
  image: Schema.String,
  /** Why it could not be pulled. */
  reason: PullFailure,
}) {
  override get message() {
    return `Image ${quote(this.image)} could not be pulled: ${pullFailures[this.reason]}. ${advised.includes(this.reason) ? "" : otherwise}`.trimEnd()
  }
}

/** The image exists but can't carry a sandbox. */
export class ImageUnusable extends TaggedError<ImageUnusable>()("ImageUnusable", {
  /** The image that was asked for. */
  image: Schema.String,
  /** What it lacks, in words that follow a colon. */
  reason: Schema.String,
}) {
  override get message() {
    return `Image ${quote(this.image)} can't run as a sandbox: ${this.reason}. Use an image that has a POSIX shell at /bin/sh.`
  }
}
