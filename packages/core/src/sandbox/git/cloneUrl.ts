import { posix } from "node:path"
import { Redacted } from "effect"
import { InvalidInput } from "../../errors.ts"
import type { CloneOptions } from "./Git.ts"

const refuse = (subject: string, issue: string) => new InvalidInput({ subject, issue })

export const refusedUrl = (issue: string) => refuse("repository URL", issue)

/** Where a clone comes from. */
export interface CloneTarget {
  /** Without credentials. */
  readonly url: string
  readonly origin: string
  /** What git would call its folder. */
  readonly name: string
  readonly credentials: { readonly username: string; readonly password: string } | undefined
}

const hasControls = (text: string) => /\p{Cc}/u.test(text)

const decoded = (part: string): string | undefined => {
  try {
    return decodeURIComponent(part)
  } catch {
    return undefined
  }
}

/** Takes the credentials out of a URL. A refusal does not repeat the URL, which may hold some. */
export const cloneTarget = (
  given: string,
  options: Pick<CloneOptions, "credentials" | "insecure">,
): CloneTarget | InvalidInput => {
  // Not an address for ssh, nor git's own form for other transports.
  if (!/^https?:\/\//i.test(given)) {
    return refusedUrl(
      "it must begin with https:// (or http://); SSH, files and others are not cloned",
    )
  }
  const url = URL.parse(given)
  const path = decoded(url?.pathname ?? "")
  if (url === null || path === undefined || hasControls(given) || hasControls(path)) {
    return refusedUrl("it is not a URL such as https://example.com/team/project.git")
  }
  if (!/^[a-z0-9._-]+(?::\d+)?$|^\[[0-9a-f:.]+\](?::\d+)?$/.test(url.host)) {
    return refusedUrl("its host is neither a name nor an address")
  }
  if (url.search !== "" || url.hash !== "") {
    return refusedUrl("it has a query or a fragment; give a token as credentials")
  }
  const inUrl = url.username !== "" || url.password !== ""
  if (inUrl && options.credentials !== undefined) {
    return refusedUrl("it has credentials of its own; give them in one place only")
  }
  const [username, password] = [decoded(url.username), decoded(url.password)]
  if (username === undefined || password === undefined) {
    return refusedUrl("its credentials are not percent-encoded")
  }
  url.username = ""
  url.password = ""
  const { credentials } = options
  const own =
    credentials === undefined
      ? { username, password }
      : {
          username: credentials.username ?? "x-access-token",
          password: Redacted.isRedacted(credentials.password)
            ? Redacted.value(credentials.password)
            : credentials.password,
        }
  const wanted = inUrl || credentials !== undefined
  if (wanted && Object.values(own).some((part) => typeof part !== "string" || hasControls(part))) {
    return refuse("credentials", "username and password must be text without control characters")
  }
  if (wanted && url.protocol === "http:" && options.insecure !== true) {
    return refuse(
      "credentials",
      "all on the way could read them, since the URL is http://; use https://, or insecure: true",
    )
  }
  return {
    url: url.href,
    origin: url.origin,
    name: posix.basename(url.pathname).replace(/\.git$/, ""),
    credentials: wanted ? own : undefined,
  }
}
