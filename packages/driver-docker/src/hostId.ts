import { type HostError, InvalidInput } from "@cordon/core"
import { Duration, Effect, Exit } from "effect"
import type { DockerEngine } from "./DockerEngine.ts"

/** Refuses what no host can be known by. */
export const checkHostId = (hostId: string | undefined): Effect.Effect<void, InvalidInput> =>
  hostId === undefined || hostId.trim() !== ""
    ? Effect.void
    : Effect.fail(
        new InvalidInput({
          subject: "hostId",
          issue: "it is empty; give a text that no other host has, or leave it out",
        }),
      )

/** By what an engine is known: its own ID, asked for once. */
export const makeHostId = (
  engine: DockerEngine["Service"],
): Effect.Effect<Effect.Effect<string, HostError>> =>
  Effect.cachedWithTTL(
    Effect.map(Effect.all([engine.info, engine.info]), ([{ ID, Name, DockerRootDir }, again]) =>
      // One that answers with another ID each time (Podman) is known by its name and folder.
      ID && ID === again.ID ? ID : `${Name ?? ""}:${DockerRootDir ?? ""}`,
    ),
    (exit) => (Exit.isSuccess(exit) ? Duration.infinity : 0),
  )
