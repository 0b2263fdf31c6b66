import { join } from "node:path"
import { InvalidInput, sessionFilesDirectory, Unexpected } from "@cordon/core"
import { Config, Effect, Option } from "effect"
import { Command, Flag } from "effect/cli"
import { common, sandboxesAt } from "../flags.ts"
import { ending, write } from "../output.ts"
import { quiet } from "../quiet.ts"
import { settingsFlags, withSettings } from "../settingsFlags.ts"

export const mcp = Command.make(
  "mcp",
  {
    host: common.host,
    http: Flag.Int("http").pipe(
      Flag.withDescription("Serve streamable HTTP at this port (0: any) instead of stdio"),
      Flag.optional,
    ),
    listen: Flag.String("listen").pipe(
      Flag.withDescription(
        "Address to serve HTTP on; one that is not loopback needs CORDON_MCP_TOKEN to be set",
      ),
      Flag.withDefault("127.0.0.1"),
    ),
    files: Flag.String("files").pipe(
      Flag.withDescription(
        "Folder that sandboxes get files from and leave files in (over HTTP one below it for each session); none by default",
      ),
      Flag.optional,
    ),
    session: Flag.String("session").pipe(
      Flag.withDescription("Keep the sandboxes for the next process with the same session"),
      Flag.optional,
    ),
    extra: Flag.String("extra").pipe(
      Flag.withDescription(
        "Tools to offer beside the eight: edit,patch,glob,grep,processes,ports,shell (docs/tools.md); none by default",
      ),
      Flag.withDefault(""),
    ),
    settings: settingsFlags,
  },
  ({ host, http, listen, files, session, extra, settings }) =>
    Effect.gen(function* () {
      // Loaded here, so that other commands start faster.
      const { parseExtraTools, serveHttp, serveStdio } = yield* Effect.promise(
        () => import("@cordon/mcp"),
      )
      // Not a flag: other users can read a process's arguments.
      const token = yield* Config.option(Config.String("CORDON_MCP_TOKEN"))
      const options = {
        extra: yield* Effect.try({
          try: () => parseExtraTools(extra),
          catch: (error) => (error instanceof InvalidInput ? error : Unexpected.of(error)),
        }),
        keep: Option.isSome(session),
        sessionId: Option.getOrUndefined(session),
      }
      if (Option.isNone(http)) {
        const folder = Option.map(files, (root) => ({ files: () => sessionFilesDirectory(root) }))
        yield* serveStdio({ ...options, ...Option.getOrElse(folder, () => ({})) })
        return 0
      }
      const folders = Option.map(files, (root) => ({
        files: (sessionId: string) => sessionFilesDirectory(join(root, sessionId)),
      }))
      const { url } = yield* serveHttp({
        ...options,
        host: listen,
        port: http.value,
        token: Option.getOrUndefined(token),
        ...Option.getOrElse(folders, () => ({})),
      })
      yield* write(process.stderr, `MCP is served at ${url}\n`)
      return yield* Effect.never
    }).pipe(
      Effect.scoped,
      Effect.provide(sandboxesAt(host)),
      withSettings(settings),
      quiet,
      ending,
    ),
).pipe(Command.withDescription("Serves the sandbox tools to MCP clients, on stdio or HTTP"))
