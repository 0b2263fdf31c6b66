import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { pullFailure } from "../src/registry/pullFailure.ts"

const image = "registry.example.com/team/app:1"
const url = "https://registry.example.com/v2/"

// As Docker Engine 20.10 to 28, Podman and a swarm's tasks word them.
const said: ReadonlyArray<readonly [string, string]> = [
  ["manifest for registry.example.com/team/app:1 not found: manifest unknown", "ImageNotFound"],
  ["pull access denied for app, repository does not exist or may require login", "ImageNotFound"],
  ["No such image: registry.example.com/team/app:1", "ImageNotFound"],
  [`Get "${url}": dial tcp: lookup registry.example.com: no such host`, "unreachable"],
  [`Get "${url}": dial tcp 192.0.2.1:443: connect: connection refused`, "unreachable"],
  [`Get "${url}": EOF`, "unreachable"],
  [`Get "${url}": dial tcp 192.0.2.1:443: i/o timeout`, "timeout"],
  [`Get "${url}": context deadline exceeded`, "timeout"],
  [`Get "${url}": net/http: TLS handshake timeout`, "timeout"],
  [`Get "${url}": x509: certificate signed by unknown authority`, "certificate"],
  [`Get "${url}": http: server gave HTTP response to HTTPS client`, "certificate"],
  ["unauthorized: authentication required", "login"],
  ["denied: requested access to the resource is denied", "login"],
  ["toomanyrequests: You have reached your pull rate limit", "busy"],
  ["no matching manifest for linux/arm64/v8 in the manifest list entries", "platform"],
  ["write /var/lib/docker/tmp/x: no space left on device", "space"],
  ["Error response from daemon: s3cret", "other"],
  ["", "other"],
]

describe("a pull that failed", () => {
  it.effect("is classified, and its error repeats no text of the engine", () =>
    Effect.gen(function* () {
      for (const [detail, expected] of said) {
        const error = yield* Effect.flip(pullFailure(image, detail))
        const told = error._tag === "ImagePullFailed" ? error.reason : error._tag
        assert.strictEqual(told, expected, detail)
        assert.notMatch(error.message, /s3cret|192\.0\.2\.1|\/var|daemon/)
      }
    }),
  )
})
