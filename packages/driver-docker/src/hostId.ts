import { type HostError, InvalidInput } from "@cordon/core"
import { Duration, Effect, Exit } from "effect"
import type { DockerEngine } from "./DockerEngine.ts"

/** Refuses an invalid host ID. */
export const checkHostId = (hostId: string | undefined): Effect.Effect<void, InvalidInput> =>
  hostId === undefined || hostId.trim() !== ""
    ? Effect.void
    : Effect.fail(
        new InvalidInput({
          subject: "hostId",
          issue: "it is empty; give text that is unique to this host, or leave it out",
        }),
      )

/** The host ID of an engine: the engine's own ID, requested once. */
export const makeHostId = (
  engine: DockerEngine["Service"],
): Effect.Effect<Effect.Effect<string, HostError>> =>
  Effect.cachedWithTTL(
    Effect.map(Effect.all([engine.info, engine.info]), ([{ ID, Name, DockerRootDir }, again]) =>
      // An engine that reports a different ID each time (Podman) is identified by its name and data
      // folder.
      ID && ID === again.ID ? ID : `${Name ?? ""}:${DockerRootDir ?? ""}`,
    ),
    (exit) => (Exit.isSuccess(exit) ? Duration.infinity : 0),
  )
