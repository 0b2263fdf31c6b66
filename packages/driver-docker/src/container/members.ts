import type { HostError, SandboxDriver, SandboxNotFound, SandboxNotRunning } from "@cordon/core"
import { Effect, Stream } from "effect"
import type { Containers } from "./Containers.ts"
import type { Locator } from "./locator.ts"
import type { Target } from "./Target.ts"

type Driver = SandboxDriver["Service"]

/** The members of a driver that only do something in a sandbox's running container. */
export type ContainerMembers = Pick<
  Driver,
  | "attachProcess"
  | "dial"
  | "endProcess"
  | "exec"
  | "getArchive"
  | "identify"
  | "listFolder"
  | "listProcesses"
  | "listen"
  | "makeFolder"
  | "moveFile"
  | "outlive"
  | "putArchive"
  | "readFile"
  | "removeFile"
  | "searchFolder"
  | "startProcess"
  | "stat"
  | "stats"
  | "terminal"
  | "watchFolder"
  | "writeFile"
>

type AnyLocator<Place extends Target> = Locator<
  Place,
  Containers,
  SandboxNotFound | SandboxNotRunning | HostError
>

/**
 * The members of a driver that run in a container. They are the same for every kind of placement.
 *
 * @param name the driver's name in traces: `DockerDriver`
 */
export const containerMembers = <Place extends Target>(
  name: string,
  locator: AnyLocator<Place>,
): ContainerMembers => ({
  exec: (id, request) =>
    locator.commandOn(id, request, ({ exec }, place, deadline) => exec(place, request, deadline)),
  identify: (id, user) => locator.on(id, ({ identify }, place) => identify(place, user)),
  terminal: (id, request) => locator.within(id, ({ terminal }, place) => terminal(place, request)),
  outlive: Effect.fn(`${name}.outlive`)((id, milliseconds) =>
    locator
      .on(id, ({ connections }, { instanceId }) => connections.outlive(instanceId, milliseconds))
      .pipe(Effect.catchTag("SandboxNotRunning", () => Effect.void)),
  ),
  stats: Effect.fn(`${name}.stats`)((id) => locator.on(id, ({ stats }, place) => stats(place))),
  ...processMembers(name, locator),
  ...portMembers(locator),
  ...fileMembers(locator),
})

const processMembers = <Place extends Target>(
  name: string,
  { on, within, explain }: AnyLocator<Place>,
) =>
  ({
    startProcess: Effect.fn(`${name}.startProcess`)((id, request) =>
      on(id, ({ processes }, place) => processes.start(place, request)),
    ),
    listProcesses: Effect.fn(`${name}.listProcesses`)((id) =>
      on(id, ({ processes }, place) => processes.list(place)),
    ),
    attachProcess: (id, process, position) =>
      within(id, ({ processes }, place) =>
        Effect.map(processes.attach(place, process, position), (attached) => ({
          ...attached,
          events: Stream.catch(attached.events, (error) => Stream.fromEffect(explain(id, error))),
        })),
      ),
    endProcess: Effect.fn(`${name}.endProcess`)((id, process, options) =>
      on(id, ({ processes }, place) => processes.end(place, process, options)),
    ),
  }) satisfies Partial<Driver>

const portMembers = <Place extends Target>({ within }: AnyLocator<Place>) =>
  ({
    dial: (id, port) => within(id, ({ ports }, place) => ports.dial(place, port)),
    listen: (id, port) => within(id, ({ ports }, place) => ports.listen(place, port)),
  }) satisfies Partial<Driver>

const fileMembers = <Place extends Target>({ on, once, streamOn }: AnyLocator<Place>) =>
  ({
    stat: (id, path) => on(id, ({ files }, place) => files.stat(place, path)),
    readFile: (id, path, range) =>
      streamOn(id, ({ files }, place) => files.readFile(place, path, range)),
    writeFile: (id, path, content) =>
      once(id, ({ files }, place) => files.writeFile(place, path, content)),
    getArchive: (id, path) => streamOn(id, ({ files }, place) => files.getArchive(place, path)),
    putArchive: (id, path, archive) =>
      once(id, ({ files }, place) => files.putArchive(place, path, archive)),
    listFolder: (id, path, depth) =>
      streamOn(id, ({ files }, place) => files.listFolder(place, path, depth)),
    makeFolder: (id, path) => on(id, ({ files }, place) => files.makeFolder(place, path)),
    removeFile: (id, path, options) =>
      on(id, ({ files }, place) => files.removeFile(place, path, options)),
    moveFile: (id, from, to) => on(id, ({ files }, place) => files.moveFile(place, from, to)),
    searchFolder: (id, path, search) =>
      streamOn(id, ({ files }, place) => files.searchFolder(place, path, search)),
    watchFolder: (id, path, options) =>
      streamOn(id, ({ files }, place) => files.watchFolder(place, path, options)),
  }) satisfies Partial<Driver>
