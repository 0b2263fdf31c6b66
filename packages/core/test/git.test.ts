import { assert, describe, it } from "@effect/vitest"
import { InvalidInput } from "../src/errors.ts"
import { cloneError } from "../src/sandbox/git/cloneError.ts"
import { cloneTarget } from "../src/sandbox/git/cloneUrl.ts"

const target = (url: string, options: Parameters<typeof cloneTarget>[1] = {}) => {
  const found = cloneTarget(url, options)
  assert(!(found instanceof InvalidInput), String(found))
  return found
}

describe("the URL of a repository", () => {
  it("is separated from its credentials", () => {
    assert.deepStrictEqual(target("https://ada:p%40ss@Example.com:443/team/project.git"), {
      url: "https://example.com/team/project.git",
      origin: "https://example.com",
      name: "project",
      credentials: { username: "ada", password: "p@ss" },
    })
    // Forges take a token as the name alone.
    assert.deepStrictEqual(target("https://token@example.com/p/").credentials, {
      username: "token",
      password: "",
    })
    assert.deepStrictEqual(target("https://[::1]:8443/a/b"), {
      url: "https://[::1]:8443/a/b",
      origin: "https://[::1]:8443",
      name: "b",
      credentials: undefined,
    })
    const credentials = { password: "p" }
    const open = target("http://localhost/p", { credentials, insecure: true })
    assert.deepStrictEqual(open.credentials, { username: "x-access-token", password: "p" })
  })

  it("is refused with an error that repeats no part of it", () => {
    for (const url of [
      "https://ada:s3cret@*.example.com/p",
      "https://ada:s3cret@exam ple.com/p",
      "https://ada:s3cret@example.com/p?x",
      "https://ada:s3cret@example.com/p#x",
      "https://ada:s3cret%@example.com/p",
      "https://ada:s3cret%0aprotocol=x@example.com/p",
      "https://ada:s3cret@example.com/p%0a",
      "https://ada:s3cret@example.com/\tp",
      "http://ada:s3cret@example.com/p",
      "ftp://ada:s3cret@example.com/p",
      "ada:s3cret@example.com:p",
      "https:s3cret",
      "",
    ]) {
      const refused = cloneTarget(url, {})
      assert.instanceOf(refused, InvalidInput, url)
      assert.notInclude(refused instanceof InvalidInput ? refused.message : "", "s3cret")
    }
  })
})

describe("an error message of git", () => {
  const project = target("https://ada:s3cret@example.com/project")
  const error = (said: string, branch?: string) => cloneError(project, branch, "/w", said)

  it("becomes an error that says what to do, whatever text the server adds", () => {
    for (const [said, tag] of [
      ["fatal: Authentication failed for 'https://example.com/project/'", "GitAuthFailed"],
      [
        "fatal: could not read Username for 'https://x': terminal prompts disabled",
        "GitAuthFailed",
      ],
      ["remote: Repository not found.\nfatal: repository 'x' not found", "RepositoryNotFound"],
      ["remote: Authentication failed\nfatal: early EOF", "CloneFailed"],
      ["fatal: write error: No space left on device", "StorageFailed"],
      ["", "CloneFailed"],
    ] as const) {
      assert.strictEqual(error(said)._tag, tag, said)
    }
    const asking =
      "fatal: could not read Username for 'https://other.test:8443': terminal prompts disabled"
    assert.propertyVal(error(asking), "url", "https://other.test:8443")
    assert.propertyVal(error(asking), "given", false)
    assert.propertyVal(
      error("fatal: Authentication failed for 'https://example.com/project/'"),
      "given",
      true,
    )
    const missing = "fatal: Remote branch none not found in upstream origin"
    assert.strictEqual(error(missing, "none")._tag, "BranchNotFound")
  })

  it("is shown without the password, and without control characters", () => {
    const { message } = error("Cloning into 'x'...\nfatal: you are s3cret\x1b[31m\x07")
    assert.strictEqual(
      message,
      'The repository "https://example.com/project" could not be cloned: fatal: you are ***[31m. Check the URL, and that the sandbox\'s network can reach it.',
    )
  })
})
