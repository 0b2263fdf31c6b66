import { stat } from "node:fs/promises"
import { connect } from "node:net"
import { posix } from "node:path"
import { Effect } from "effect"

/** A place where an engine listens by default. */
export interface Place {
  /** The path of a socket, or of a pipe on Windows. */
  readonly path: string
  /** The product that listens there, for people: `OrbStack`. */
  readonly of: string
}

/** The parts of the environment that decide where those places are. */
export interface Surroundings {
  /** As `process.platform`. */
  readonly platform: string
  readonly home: string | undefined
  /** `XDG_RUNTIME_DIR` */
  readonly runtimeDirectory: string | undefined
  /** `XDG_CONFIG_HOME` */
  readonly configDirectory: string | undefined
  /** `COLIMA_HOME` */
  readonly colimaHome: string | undefined
  /** `TMPDIR` */
  readonly temporaryDirectory: string | undefined
  /** The current user's UID; undefined on Windows. */
  readonly user: number | undefined
}

const pipes: ReadonlyArray<Place> = [
  { path: "//./pipe/docker_engine", of: "Docker or Rancher Desktop" },
  { path: "//./pipe/dockerDesktopLinuxEngine", of: "Docker Desktop" },
  { path: "//./pipe/podman-machine-default", of: "Podman's machine" },
]

const { join } = posix

/** The places, in the order in which they are tried: Docker's before Podman's, the host's before a user's. */
export const wellKnownPlaces = (surroundings: Surroundings): ReadonlyArray<Place> => {
  const { platform, home, user } = surroundings
  if (platform === "win32") return pipes
  // Services and cron jobs have no XDG_RUNTIME_DIR, but the folder exists all the same.
  const runtime =
    surroundings.runtimeDirectory ??
    (platform === "linux" && user !== undefined ? `/run/user/${user}` : undefined)
  const below = (folder: string | undefined, name: string, of: string): ReadonlyArray<Place> =>
    folder === undefined ? [] : [{ path: join(folder, name), of }]
  const config = surroundings.configDirectory ?? (home && join(home, ".config"))
  return [
    { path: "/var/run/docker.sock", of: "Docker" },
    ...below(runtime, "docker.sock", "rootless Docker"),
    ...below(home, ".docker/run/docker.sock", "Docker Desktop or rootless Docker"),
    ...below(home, ".docker/desktop/docker.sock", "Docker Desktop"),
    ...below(home, ".orbstack/run/docker.sock", "OrbStack"),
    ...below(surroundings.colimaHome, "default/docker.sock", "Colima"),
    ...below(home, ".colima/default/docker.sock", "Colima"),
    ...below(config, "colima/default/docker.sock", "Colima"),
    ...below(home, ".rd/docker.sock", "Rancher Desktop"),
    ...below(home, ".lima/docker/sock/docker.sock", "Lima"),
    ...below(runtime, "podman/podman.sock", "Podman"),
    { path: "/run/podman/podman.sock", of: "Podman" },
    ...(platform === "darwin"
      ? [
          ...below(
            surroundings.temporaryDirectory,
            "podman/podman-machine-default-api.sock",
            "Podman's machine",
          ),
          ...below(home, ".local/share/containers/podman/machine/podman.sock", "Podman's machine"),
        ]
      : []),
  ]
}

// Milliseconds. A local socket accepts a connection at once, or nothing listens there.
const patience = 1000

type Found = "nothing" | "silent" | "listens"

/** Whether something listens at a place. A socket that a stopped engine left behind is `silent`. */
const look = ({ path }: Place): Effect.Effect<Found> =>
  Effect.callback<boolean>((resume) => {
    const socket = connect({ path })
    const end = (listens: boolean) => {
      socket.destroy()
      resume(Effect.succeed(listens))
    }
    socket.setTimeout(patience, () => end(false))
    socket.on("connect", () => end(true))
    socket.on("error", () => end(false))
    return Effect.sync(() => socket.destroy())
  }).pipe(
    Effect.flatMap((listens) =>
      listens
        ? Effect.succeed("listens" as const)
        : Effect.tryPromise(() => stat(path)).pipe(
            Effect.map((stats) => (stats.isSocket() ? ("silent" as const) : ("nothing" as const))),
            Effect.orElseSucceed(() => "nothing" as const),
          ),
    ),
  )

/**
 * The first place where something listens. If nothing listens anywhere, the first place that
 * exists, so that the error can tell why it can't be used (for example, this user may not open it).
 */
export const firstPlace = Effect.fnUntraced(function* (
  places: ReadonlyArray<Place>,
): Effect.fn.Return<{ readonly place: Place; readonly listens: boolean } | undefined> {
  let silent: Place | undefined
  for (const place of places) {
    const found = yield* look(place)
    if (found === "listens") return { place, listens: true }
    if (found === "silent") silent ??= place
  }
  return silent && { place: silent, listens: false }
})
