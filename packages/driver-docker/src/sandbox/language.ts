import { type HostError, languageVariables, utf8Locales } from "@cordon/core"
import { Cache, Effect, Exit, Option } from "effect"
import type { DockerEngine } from "../DockerEngine.ts"

/**
 * What the environment of a program lacks that is no script: `LANG`, where nobody has chosen a
 * language and the image has a UTF-8 locale. It is looked up once for each container.
 */
export const makeLanguages = (engine: DockerEngine["Service"]) =>
  Effect.map(
    Cache.makeWith(
      Effect.fnUntraced(function* (
        instanceId: string,
      ): Effect.fn.Return<Readonly<Record<string, string>>, HostError> {
        const { Config } = yield* engine.containerInspect(instanceId)
        const names = (Config.Env ?? []).map((entry) => entry.replace(/=.*/s, ""))
        if (languageVariables.some((name) => names.includes(name))) return {}
        const there = yield* Effect.filter(
          utf8Locales,
          ({ path }) => Effect.map(engine.containerPathStat(instanceId, path), Option.isSome),
          { concurrency: "unbounded" },
        )
        return there[0] === undefined ? {} : { LANG: there[0].lang }
      }),
      {
        capacity: 1024,
        timeToLive: (exit) => (Exit.isSuccess(exit) ? "1 day" : 0),
      },
    ),
    (languages): Languages =>
      (instanceId, command, env) =>
        typeof command === "string" || languageVariables.some((name) => name in env)
          ? Effect.succeed(env)
          : Cache.get(languages, instanceId).pipe(
              Effect.map((language) => ({ ...language, ...env })),
              // Running the command tells better what is wrong.
              Effect.orElseSucceed(() => env),
            ),
  )

/** The environment of a command with the language in it, unless its shell sees to that itself. */
export type Languages = (
  instanceId: string,
  command: string | ReadonlyArray<string>,
  env: Readonly<Record<string, string>>,
) => Effect.Effect<Readonly<Record<string, string>>>
