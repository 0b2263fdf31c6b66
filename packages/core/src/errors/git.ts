import { Schema } from "effect"
import { quote } from "./quote.ts"
import { TaggedError } from "./TaggedError.ts"

/** The image has no `git`; nothing can be cloned in it. */
export class GitMissing extends TaggedError<GitMissing>()("GitMissing", {
  /** The sandbox's image. */
  image: Schema.String,
}) {
  override get message() {
    return `Image ${quote(this.image)} has no git. Install it in the sandbox, or use an image that has it.`
  }
}

/** The server of a repository wants credentials, or others. */
export class GitAuthFailed extends TaggedError<GitAuthFailed>()("GitAuthFailed", {
  /** The repository's URL, without credentials. */
  url: Schema.String,
  /** Whether credentials were given. */
  given: Schema.Boolean,
}) {
  override get message() {
    return this.given
      ? `The credentials do not give access to the repository ${quote(this.url)}. Check that they are valid and that they are for this repository.`
      : `The repository ${quote(this.url)} can't be read without credentials, or does not exist. Check the URL, or give credentials.`
  }
}

/** There is no such repository, or the credentials may not see it. */
export class RepositoryNotFound extends TaggedError<RepositoryNotFound>()("RepositoryNotFound", {
  /** The repository's URL, without credentials. */
  url: Schema.String,
}) {
  override get message() {
    return `There is no repository at ${quote(this.url)}, or the credentials do not give access to it. Check the URL and the credentials.`
  }
}

/** The repository is there, the branch or tag is not. */
export class BranchNotFound extends TaggedError<BranchNotFound>()("BranchNotFound", {
  /** The repository's URL, without credentials. */
  url: Schema.String,
  /** The branch or tag that was asked for. */
  branch: Schema.String,
}) {
  override get message() {
    return `The repository ${quote(this.url)} has no branch or tag ${quote(this.branch)}. Check its name.`
  }
}

/** Git failed in a way that has no class of its own: no way to the server, a broken repository. */
export class CloneFailed extends TaggedError<CloneFailed>()("CloneFailed", {
  /** The repository's URL, without credentials. */
  url: Schema.String,
  /** What git said of it, in words that follow a colon. */
  reason: Schema.String,
}) {
  override get message() {
    return `The repository ${quote(this.url)} could not be cloned: ${this.reason}. Check the URL, and that the sandbox's network can reach it.`
  }
}
