import { execFile } from "node:child_process"
import { join } from "node:path"
import { promisify } from "node:util"
import { assert, describe, it } from "@effect/vitest"
import { choose, type Machine } from "../examples/demoDriver.ts"
import { noEngine } from "./support/docker.ts"
import { skipped } from "./support/skipped.ts"

/** Runs the demo; it must end with exit code 0. */
const demo = async (env: Readonly<Record<string, string>>) => {
  const args = ["--conditions=@cordon/source", join(import.meta.dirname, "../examples/demo.ts")]
  const { stdout } = await promisify(execFile)(process.execPath, args, {
    env: { ...process.env, ...env },
  })
  assert.match(stdout, /All \d+ calls gave what they should/)
  return stdout.split("\n")[0] ?? ""
}

/** An engine with images, of which some will do. */
const machine = (images: ReadonlyArray<string>, fit: ReadonlyArray<string>) => {
  const tried: Array<string> = []
  const asked: Machine = {
    wanted: "wanted:1",
    engine: async () => "an engine",
    images: async () => images,
    trial: async (image) => {
      tried.push(image)
      if (!fit.includes(image)) throw new Error(`no ${image} here.\nand more`)
    },
  }
  return { tried, asked }
}

describe("the demo", () => {
  it("uses its intended image when the engine can get it", async () => {
    const { asked, tried } = machine(["debian:12"], ["wanted:1", "debian:12"])
    assert.deepStrictEqual(await choose(asked), {
      image: "wanted:1",
      why: "an engine answered: using the image wanted:1",
    })
    assert.deepStrictEqual(tried, ["wanted:1"])
  })

  it("uses an image that the engine has when it can't get the intended one", async () => {
    const { asked, tried } = machine(
      ["scratch/tool:1", "<none>:<none>", "debian:12"],
      ["debian:12"],
    )
    assert.deepStrictEqual(await choose(asked), {
      image: "debian:12",
      why: "an engine answered, but wanted:1 can't be used (no wanted:1 here): using the image debian:12, which it has",
    })
    assert.deepStrictEqual(tried, ["wanted:1", "debian:12"])
  })

  it("runs in memory when no image fits or the engine does not list its images", async () => {
    const { asked } = machine(["scratch/tool:1"], [])
    const refusing = { ...asked, images: () => Promise.reject(new Error("no")) }
    for (const one of [asked, refusing]) {
      const { image, why } = await choose(one)
      assert.isUndefined(image)
      assert.match(why, /^an engine answered, but wanted:1 can't be used \(no wanted:1 here\), nor/)
      assert.match(why, /using the in-memory driver, which isolates nothing$/)
    }
  })

  it("runs in memory when no engine answers, and says so first", {
    timeout: 120_000,
  }, async () => {
    const line = await demo({ CONTAINER_SANDBOX_DOCKER_HOST: "unix:///nonexistent.sock" })
    assert.match(line, /nonexistent\.sock does not answer.*: using the in-memory driver/)
  })

  const title = "runs with another image where its own can't be pulled, and says so first"
  if (noEngine !== undefined) skipped(title, noEngine)
  else {
    it(title, { timeout: 120_000 }, async () => {
      const line = await demo({ CONTAINER_SANDBOX_IMAGE: "cordon-test/absent:1" })
      assert.match(
        line,
        /answered, but cordon-test\/absent:1 can't be used \(.*\): using the image /,
      )
    })
  }
})
