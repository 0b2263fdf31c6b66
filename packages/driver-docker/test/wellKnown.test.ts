import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { createServer, type Server } from "node:net"
import { tmpdir } from "node:os"
import { dirname, join } from "node:path"
import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import { firstPlace, type Surroundings, wellKnownPlaces } from "../src/endpoint/wellKnown.ts"

const nobody: Surroundings = {
  platform: "linux",
  home: undefined,
  runtimeDirectory: undefined,
  configDirectory: undefined,
  colimaHome: undefined,
  temporaryDirectory: undefined,
  user: undefined,
}

/** Where each of them listens, as its documentation has it. */
const layouts: ReadonlyArray<
  readonly [title: string, surroundings: Partial<Surroundings>, path: string, of: RegExp]
> = [
  ["Docker's engine", {}, "/var/run/docker.sock", /^Docker$/],
  [
    "rootless Docker",
    { runtimeDirectory: "/run/user/1000", home: "/home/me" },
    "/run/user/1000/docker.sock",
    /rootless/,
  ],
  [
    "rootless Docker under cron, without XDG_RUNTIME_DIR",
    { user: 1000, home: "/home/me" },
    "/run/user/1000/docker.sock",
    /rootless/,
  ],
  [
    "Docker Desktop on Linux",
    { home: "/home/me" },
    "/home/me/.docker/desktop/docker.sock",
    /Docker Desktop/,
  ],
  [
    "Docker Desktop on macOS",
    { platform: "darwin", home: "/Users/me" },
    "/Users/me/.docker/run/docker.sock",
    /Docker Desktop/,
  ],
  [
    "Docker Desktop on Windows",
    { platform: "win32", home: "C:\\Users\\me" },
    "//./pipe/dockerDesktopLinuxEngine",
    /Docker Desktop/,
  ],
  [
    "Rancher Desktop on Windows",
    { platform: "win32", home: "C:\\Users\\me" },
    "//./pipe/docker_engine",
    /Rancher/,
  ],
  [
    "Podman's machine on Windows",
    { platform: "win32" },
    "//./pipe/podman-machine-default",
    /Podman/,
  ],
  [
    "OrbStack",
    { platform: "darwin", home: "/Users/me" },
    "/Users/me/.orbstack/run/docker.sock",
    /OrbStack/,
  ],
  [
    "Colima",
    { platform: "darwin", home: "/Users/me" },
    "/Users/me/.colima/default/docker.sock",
    /Colima/,
  ],
  [
    "Colima by the XDG layout",
    { platform: "darwin", home: "/Users/me" },
    "/Users/me/.config/colima/default/docker.sock",
    /Colima/,
  ],
  [
    "Colima where XDG_CONFIG_HOME says",
    { home: "/home/me", configDirectory: "/cfg" },
    "/cfg/colima/default/docker.sock",
    /Colima/,
  ],
  [
    "Colima where COLIMA_HOME says",
    { home: "/home/me", colimaHome: "/opt/colima" },
    "/opt/colima/default/docker.sock",
    /Colima/,
  ],
  [
    "Rancher Desktop",
    { platform: "darwin", home: "/Users/me" },
    "/Users/me/.rd/docker.sock",
    /Rancher/,
  ],
  ["Lima", { home: "/home/me" }, "/home/me/.lima/docker/sock/docker.sock", /Lima/],
  [
    "rootless Podman",
    { runtimeDirectory: "/run/user/1000" },
    "/run/user/1000/podman/podman.sock",
    /Podman/,
  ],
  ["Podman", {}, "/run/podman/podman.sock", /Podman/],
  [
    "Podman's machine on macOS",
    { platform: "darwin", home: "/Users/me", temporaryDirectory: "/var/folders/x/T/" },
    "/var/folders/x/T/podman/podman-machine-default-api.sock",
    /machine/,
  ],
  [
    "Podman's machine before 5 on macOS",
    { platform: "darwin", home: "/Users/me" },
    "/Users/me/.local/share/containers/podman/machine/podman.sock",
    /machine/,
  ],
]

describe("the well-known sockets", () => {
  for (const [title, surroundings, path, of] of layouts) {
    it(`are those of ${title}`, () => {
      const found = wellKnownPlaces({ ...nobody, ...surroundings }).find(
        (place) => place.path === path,
      )
      assert.match(found?.of ?? "not there", of)
    })
  }

  it("are tried in order: Docker's before Podman's, the host's first", () => {
    const names = wellKnownPlaces({ ...nobody, home: "/home/me", user: 1000 }).map(({ of }) => of)
    assert.strictEqual(names[0], "Docker")
    assert.isAbove(names.indexOf("Podman"), names.lastIndexOf("Colima"))
    assert.isAbove(names.indexOf("Podman"), names.indexOf("rootless Docker"))
  })

  const inFolder = <A>(use: (folder: string) => Effect.Effect<A>) =>
    Effect.scoped(
      Effect.flatMap(
        Effect.acquireRelease(
          Effect.sync(() => mkdtempSync(join(tmpdir(), "cordon-places-"))),
          (folder) => Effect.sync(() => rmSync(folder, { recursive: true })),
        ),
        use,
      ),
    )
  const listen = (path: string) =>
    Effect.callback<Server>((resume) => {
      mkdirSync(dirname(path), { recursive: true })
      const server = createServer().listen(path, () => resume(Effect.succeed(server)))
    })

  it.live.skipIf(process.platform === "win32")(
    "without a listener are skipped, and named when there is no other",
    () =>
      inFolder((home) =>
        Effect.gen(function* () {
          const at = (path: string) => ({ path: join(home, path), of: path })
          const [none, file, stale, alive] = [at("none"), at("file"), at("stale"), at("run/alive")]
          writeFileSync(file.path, "")
          const gone = yield* listen(stale.path)
          // Its socket stays behind as that of a process that was killed.
          const { link } = yield* Effect.promise(() => import("node:fs/promises"))
          yield* Effect.promise(() => link(stale.path, `${stale.path}.kept`))
          yield* Effect.promise(() => new Promise((resolve) => gone.close(resolve)))
          yield* Effect.promise(() => link(`${stale.path}.kept`, stale.path))
          assert.deepStrictEqual(yield* firstPlace([none, file, stale]), {
            place: stale,
            listens: false,
          })
          const server = yield* listen(alive.path)
          assert.deepStrictEqual(yield* firstPlace([none, file, stale, alive]), {
            place: alive,
            listens: true,
          })
          server.close()
          assert.isUndefined(yield* firstPlace([none, file]))
        }),
      ),
  )
})
