import { InvalidInput } from "@cordon/core"
import { docker } from "@cordon/driver-docker"
import { dockerRemote } from "@cordon/driver-docker-remote"
import { dockerSwarm } from "@cordon/driver-docker-swarm"
import { memory } from "@cordon/driver-memory"
import { assert, describe, it } from "vitest"

/** As from JavaScript, where no compiler looks. */
const refusal = (make: (options: never) => unknown, options: unknown) => {
  try {
    make(options as never)
  } catch (error) {
    assert.instanceOf(error, InvalidInput)
    assert.include(`${error.stack}`.split("\n").slice(1)[0], "driverOptions.test.ts")
    return error.message
  }
  return "taken"
}

describe("a driver's options", () => {
  it("an unknown option is refused at once by name, with those that exist", () => {
    assert.strictEqual(
      refusal(memory, { image: {} }),
      'Invalid options of memory(): there is no option "image". Did you mean "images"? There are: images, maxFileBytes.',
    )
    for (const [make, options] of [
      [docker, { hots: "unix:///a.sock" }],
      [dockerRemote, { hots: "tcp://a:1" }],
    ] as const) {
      assert.include(refusal(make, options), 'there is no option "hots". Did you mean "host"?')
    }
    assert.include(
      refusal(dockerSwarm, { managers: ["tcp://a:2376"], host: "tcp://a:2376" }),
      'there is no option "host"',
    )
  })

  it("an unknown nested option is refused with its path", () => {
    for (const make of [docker, dockerRemote]) {
      const message = refusal(make, { egress: { picture: "squid" } })
      assert.match(message, /^Invalid options of .* \(egress\): there is no option "picture"/)
      assert.include(message, "There are: image, network, hosts.")
      assert.include(refusal(make, { warmPool: { sise: 3 } }), "sise")
    }
    assert.include(refusal(dockerRemote, { tls: { crt: "x" } }), "crt")
  })

  it("a value of the wrong type is refused without repeating it", () => {
    const message = refusal(docker, { linkLocal: "s3cret" })
    assert.include(message, "linkLocal")
    assert.include(message, "Expected boolean, but it is a string")
    assert.notInclude(message, "s3cret")
    assert.include(refusal(docker, "unix:///a.sock"), "but it is a string")
    assert.include(refusal(docker, null), "but it is null")
    assert.include(refusal(dockerSwarm, { managers: "tcp://a:2376" }), "managers")
  })

  it("all options together, and no options, are accepted", () => {
    for (const options of [
      undefined,
      {},
      { host: undefined, warmPool: 2 },
      { warmPool: { size: 1 } },
    ]) {
      assert.strictEqual(refusal(docker, options), "taken")
    }
    assert.strictEqual(refusal(dockerRemote, { tls: false, retries: 2 }), "taken")
    assert.strictEqual(refusal(memory, { images: {} }), "taken")
  })
})
