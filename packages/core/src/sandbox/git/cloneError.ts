import {
  BranchNotFound,
  CloneFailed,
  type FileError,
  GitAuthFailed,
  RepositoryNotFound,
} from "../../errors.ts"
import type { CloneTarget } from "./cloneUrl.ts"
import { fileError } from "./fileScripts.ts"

/** Tells from git's own words why a clone failed. Lines that the server sent are not believed. */
export const cloneError = (
  { url, origin, credentials }: CloneTarget,
  branch: string | undefined,
  path: string,
  said: string,
): FileError | GitAuthFailed | RepositoryNotFound | BranchNotFound | CloneFailed => {
  // The server knows the password, and may have said it.
  const lines = (credentials?.password ? said.replaceAll(credentials.password, "***") : said)
    .split(/[\r\n]+/)
    .map((line) => line.replace(/\p{Cc}/gu, "").trim())
    .filter((line) => line !== "" && !/^(?:remote:|Cloning into|Submodule path)/.test(line))
  const own = lines.join("\n")
  if (/Authentication failed|could not read (?:Username|Password)|returned error: 403/.test(own)) {
    const [, asking = url] = /(?:failed|Username|Password) for '(https?:[^']+)'/.exec(own) ?? []
    // Another host than the one that the credentials are for was given none.
    return URL.canParse(asking) && new URL(asking).origin !== origin
      ? new GitAuthFailed({ url: asking, given: false })
      : new GitAuthFailed({ url, given: credentials !== undefined })
  }
  if (branch !== undefined && /Remote branch .* not found/.test(own)) {
    return new BranchNotFound({ url, branch })
  }
  if (/repository '.*' not found|returned error: 404/.test(own)) {
    return new RepositoryNotFound({ url })
  }
  const failure = fileError(path, 1, own)
  if (failure._tag === "StorageFailed" && /no space/.test(failure.reason)) return failure
  const told = lines.filter((line) => /^(?:fatal|error):/.test(line))
  const reason = (told.length > 0 ? told : lines).join("; ").slice(-500) || "git told nothing"
  return new CloneFailed({ url, reason })
}
