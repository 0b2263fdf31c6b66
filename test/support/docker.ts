import { request } from "node:http"
import Dockerode from "dockerode"
import { needs } from "./skips.ts"

const host =
  process.env["CONTAINER_SANDBOX_DOCKER_HOST"] ??
  process.env["DOCKER_HOST"] ??
  "unix:///var/run/docker.sock"

/** The socket of the engine that tests use. */
export const socketPath = host.replace(/^unix:\/\//, "")

const ping = () =>
  new Promise<string | undefined>((resolve) => {
    const missing = (why: string) => resolve(needs("a Docker Engine", why))
    if (!host.startsWith("unix://")) return missing(`${host} is not a local socket`)
    request({ socketPath, path: "/_ping", timeout: 5000 }, (response) => {
      response.resume()
      if (response.statusCode === 200) resolve(undefined)
      else missing(`${host} answered ${response.statusCode}`)
    })
      .on("timeout", () => missing(`${host} did not answer in time`))
      .on("error", (error) => missing(`none answers at ${host} (${error.message})`))
      .end()
  })

const silence = await ping()

/**
 * Why tests on a real engine can't run here; undefined where they can. Where CI says that there is
 * an engine they run in any case, and fail.
 */
export const noEngine = process.env["CORDON_TEST_DOCKER"] === "required" ? undefined : silence

const runtimes = async () =>
  silence === undefined ? Object.keys((await new Dockerode({ socketPath }).info()).Runtimes) : []

/** As `noEngine`, for tests that need gVisor there. */
export const noGvisor =
  process.env["CORDON_TEST_GVISOR"] === "required"
    ? undefined
    : (noEngine ??
      ((await runtimes()).includes("runsc")
        ? undefined
        : needs("gVisor", "the engine has no runtime named runsc")))
