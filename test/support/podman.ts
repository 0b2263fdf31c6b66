import { request } from "node:http"
import { needs } from "./skips.ts"

const host = process.env["CORDON_TEST_PODMAN_HOST"]

const answers = (socketPath: string) =>
  new Promise<string | undefined>((resolve) => {
    const missing = (why: string) => resolve(needs("Podman", why))
    request({ socketPath, path: "/_ping", timeout: 5000 }, (response) => {
      response.resume()
      if (response.statusCode === 200) resolve(undefined)
      else missing(`${host} answered ${response.statusCode}`)
    })
      .on("timeout", () => missing(`${host} did not answer in time`))
      .on("error", (error) => missing(`none answers at ${host} (${error.message})`))
      .end()
  })

/** Why tests on Podman can't run here; undefined where they can, or where CI says that they must. */
export const noPodman =
  process.env["CORDON_TEST_PODMAN"] === "required"
    ? undefined
    : host === undefined
      ? needs("Podman", "CORDON_TEST_PODMAN_HOST is not set, as CI does: the socket of its service")
      : await answers(host.replace(/^unix:\/\//, ""))

/** How the driver is set up for that Podman, and the image that it has. */
export const podman = {
  host: host ?? "unix:///run/podman/podman.sock",
  image: "cordon-test/debian:12",
  /** What it may give to processes: `nofile=16384,nproc=32768`. */
  ulimits: Object.fromEntries(
    (process.env["CORDON_TEST_PODMAN_ULIMITS"] ?? "")
      .split(",")
      .filter((limit) => limit !== "")
      .map((limit) => limit.split("="))
      .map(([name, value]) => [name, Number(value)]),
  ),
}
