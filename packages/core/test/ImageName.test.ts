import {
  ImagePattern,
  ImageReference,
  matchesImage,
  mayBeImageId,
  parseImage,
  publicRegistries,
  sameImage,
} from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"
import { Option, Schema } from "effect"
import * as fc from "fast-check"

const digest = `sha256:${"0123456789abcdef".repeat(4)}`
const other = digest.replace("0", "f")
const isPattern = Schema.is(ImagePattern)
const isReference = Schema.is(ImageReference)

const part = fc.stringMatching(/^[a-z0-9]{1,8}(?:[._-][a-z0-9]{1,4})?$/)
const path = fc.array(part, { minLength: 1, maxLength: 3 }).map((parts) => parts.join("/"))
const tag = fc.stringMatching(/^[A-Za-z0-9_][A-Za-z0-9_.-]{0,12}$/)
const publicHost = fc.constantFrom(...publicRegistries)
/** Whatever a reference could begin with to lead an engine to some place of its own network. */
const odd = fc.oneof(
  fc.ipV4(),
  fc.tuple(fc.ipV4(), fc.nat(65535)).map(([address, port]) => `${address}:${port}`),
  fc.nat(65535).map((port) => `docker.io:${port}`),
  fc.nat(2 ** 32 - 1).map((address) => `${address}:5000`),
  fc.constantFrom(
    "localhost",
    "LOCALHOST",
    "Localhost",
    "localhost:80",
    "registry:5000",
    "127.1",
    "0x7f.1",
    "0177.0.0.1",
    "169.254.169.254",
    "docker.io.",
    "docker.io.internal",
    "ghcr.io.lan",
    "evil-ghcr.io",
    "xn--ghcr-x2a.io",
    "registry.local",
    "metadata.google.internal",
    "user.ghcr.io",
  ),
)

describe("parseImage", () => {
  it("reads references as engines do", () => {
    const hub = "docker.io"
    for (const [reference, registry, repository, tag, digest_] of [
      ["ubuntu", hub, "library/ubuntu", "latest", undefined],
      ["ubuntu:24.04", hub, "library/ubuntu", "24.04", undefined],
      ["docker.io/ubuntu", hub, "library/ubuntu", "latest", undefined],
      ["docker.io/library/ubuntu:latest", hub, "library/ubuntu", "latest", undefined],
      ["index.docker.io/ubuntu", hub, "library/ubuntu", "latest", undefined],
      ["acme/tool:V1", hub, "acme/tool", "V1", undefined],
      ["2130706433/x", hub, "2130706433/x", "latest", undefined],
      ["ghcr.io/acme/tool", "ghcr.io", "acme/tool", "latest", undefined],
      ["GHCR.io/acme/tool", "ghcr.io", "acme/tool", "latest", undefined],
      ["localhost/tool", "localhost", "tool", "latest", undefined],
      ["Localhost/tool", "localhost", "tool", "latest", undefined],
      ["localhost:5000/a/b:1", "localhost:5000", "a/b", "1", undefined],
      ["registry:5000/b", "registry:5000", "b", "latest", undefined],
      ["127.0.0.1:5000/b", "127.0.0.1:5000", "b", "latest", undefined],
      ["docker.io:443/library/x", "docker.io:443", "library/x", "latest", undefined],
      ["docker.io./library/x", "docker.io.", "library/x", "latest", undefined],
      [`ubuntu:24.04@${digest}`, hub, "library/ubuntu", undefined, digest],
      [`ghcr.io/a/b@${digest}`, "ghcr.io", "a/b", undefined, digest],
    ] as const) {
      assert.deepStrictEqual(
        Option.getOrUndefined(parseImage(reference)),
        { registry, repository, tag, digest: digest_ },
        reference,
      )
    }
  })

  it("refuses everything that is no reference", () => {
    for (const text of [
      "",
      "UPPER",
      "[::1]:5000/x",
      "[::1]/x",
      "http://ghcr.io/x",
      "ghcr.io//x",
      "ghcr.io/../x",
      "user@ghcr.io/x",
      "ghcr.io/x:",
      "ghcr.io/x@sha256:12",
      "ghcr.io/x y",
      "ghcr.io/x\n",
      "ghcr.io\\x",
      "bücher.example/x",
      "％67hcr.io/x",
    ]) {
      assert.isTrue(Option.isNone(parseImage(text)), text)
    }
  })

  it("finds the parts from which a reference was made", () => {
    void fc.assert(
      fc.property(publicHost, path, fc.option(tag), (registry, path, tag) => {
        const reference = `${registry}/${path}${tag === null ? "" : `:${tag}`}`
        const parsed = Option.getOrThrow(parseImage(reference))
        const plain = registry === "docker.io" && !path.includes("/")
        assert.strictEqual(parsed.registry, registry)
        assert.strictEqual(parsed.repository, plain ? `library/${path}` : path)
        assert.strictEqual(parsed.tag, tag ?? "latest")
      }),
    )
  })

  it("does not mistake an unusual host for a public registry", () => {
    void fc.assert(
      fc.property(odd, path, fc.option(tag), (host, path, tag) => {
        const parsed = parseImage(`${host}/${path}${tag === null ? "" : `:${tag}`}`)
        assert.isFalse(Option.isSome(parsed) && publicRegistries.includes(parsed.value.registry))
      }),
    )
  })

  it("never throws, and parses its own output again", () => {
    void fc.assert(
      fc.property(fc.oneof(fc.string(), fc.string({ unit: "binary" })), (text) => {
        assert.strictEqual(Option.isSome(parseImage(text)), isReference(text))
      }),
    )
  })
})

describe("an image's ID", () => {
  it("is told apart from a name", () => {
    for (const id of ["a", "cafe", "0123456789ab", digest, "sha256:ab", "sha512:ab"]) {
      assert.isTrue(mayBeImageId(id), id)
    }
    for (const name of ["cafe:1", "acme/cafe", "ubuntu", `cafe@${digest}`, "sha256sum:1"]) {
      assert.isFalse(mayBeImageId(name), name)
    }
  })

  it("does not match a name that looks the same", () => {
    assert.isFalse(sameImage("cafe", "cafe:latest"))
    assert.isTrue(sameImage("cafe", "cafe"))
    assert.isFalse(matchesImage("cafe:latest", "cafe"))
    assert.isFalse(matchesImage("library/*", "cafe"))
    assert.isFalse(matchesImage("docker.io/*", digest))
    assert.isTrue(matchesImage("*", digest))
  })
})

describe("a pattern of images", () => {
  it("may be a repository, an image, a prefix with a wildcard, or everything", () => {
    for (const [pattern, yes, no] of [
      [
        "python",
        ["python", "python:3.12", "docker.io/library/python:3"],
        ["pythons", "a/python", "ghcr.io/library/python"],
      ],
      ["acme/tool", ["acme/tool", "docker.io/acme/tool:2"], ["ghcr.io/acme/tool", "tool"]],
      ["localhost:5000/tool", ["localhost:5000/tool:1"], ["localhost:5000/other", "tool:1"]],
      ["python:3.12", ["python:3.12"], ["python", "python:3.1", `python:3.12@${digest}`]],
      [
        `python@${digest}`,
        [`python@${digest}`, `python:3@${digest}`],
        ["python", `python@${other}`],
      ],
      ["acme/*", ["acme/a", "acme/b/c:1"], ["acme", "acmes/a", "ghcr.io/acme/a"]],
      ["ghcr.io/acme/*", ["ghcr.io/acme/a", "ghcr.io/acme/b/c"], ["ghcr.io/acmes/a", "acme/a"]],
      ["ghcr.io/*", ["ghcr.io/a", "ghcr.io/b/c"], ["ghcr.io:443/a", "a", "x.ghcr.io/a"]],
      ["docker.io/*", ["ubuntu", "acme/tool"], ["ghcr.io/a"]],
      ["localhost:5000/*", ["localhost:5000/a"], ["localhost:5001/a", "localhost/a"]],
      ["*", ["ubuntu", "127.0.0.1:5000/x"], []],
    ] as const) {
      assert.isTrue(isPattern(pattern), pattern)
      for (const image of yes) assert.isTrue(matchesImage(pattern, image), `${pattern}: ${image}`)
      for (const image of no) assert.isFalse(matchesImage(pattern, image), `${pattern}: ${image}`)
    }
  })

  it("may have a wildcard only at the end", () => {
    for (const text of [
      "",
      "/*",
      "a*",
      "*/a",
      "acme/tool-*",
      "acme/*/x",
      "**",
      "a/**",
      "ubuntu:*",
    ]) {
      assert.isFalse(isPattern(text), text)
    }
  })

  it("that names a repository matches each of its images and no other", () => {
    void fc.assert(
      fc.property(publicHost, path, path, tag, (registry, one, other, tag) => {
        const image = `${registry}/${one}:${tag}`
        assert.isTrue(matchesImage(`${registry}/${one}`, image))
        assert.isTrue(sameImage(image, image))
        if (one !== other && one !== `library/${other}` && other !== `library/${one}`) {
          assert.isFalse(matchesImage(`${registry}/${other}`, image))
        }
      }),
    )
  })
})
