/** Every way in: each takes what a model may ask for, and says what came of it. */
import {
  type CreateOptions,
  type CreateSandboxesOptions,
  createSandboxes,
  Sandboxes,
} from "@cordon/core"
import { createMcpServer } from "@cordon/mcp"
import { createTools } from "@cordon/tools"
import { aiSdkTools } from "@cordon/tools/ai-sdk"
import { Effect, Layer, Predicate } from "effect"
import { connectHttp } from "../mcp/clients.ts"

/** As `sandbox_create` takes it. */
export interface Wish {
  readonly image?: string
  readonly runtime?: NonNullable<CreateOptions["runtime"]>
  readonly network?: NonNullable<CreateOptions["network"]>
  readonly memory?: string
  readonly cpus?: number
  readonly pids?: number
}

/** What a model (or a program) reads. */
export interface Answer {
  readonly ok: boolean
  readonly text: string
}

type Ask = (wish: Wish) => Promise<Answer>

const optionsOf = ({ memory, cpus, pids, ...rest }: Wish): CreateOptions => ({
  ...rest,
  limits: {
    ...(memory === undefined ? {} : { memory }),
    ...(cpus === undefined ? {} : { cpus }),
    ...(pids === undefined ? {} : { pids }),
  },
})

const failed = (error: unknown): Answer => ({
  ok: false,
  text: Predicate.hasProperty(error, "message") ? String(error.message) : String(error),
})

/** A way in over a driver and settings of one's own. */
export type Way = (
  options: CreateSandboxesOptions,
  body: (ask: Ask) => Promise<void>,
) => Promise<void>

export const ways: Readonly<Record<string, Way>> = {
  tools: async (options, body) => {
    await using toolset = createTools(options)
    await body((wish) => toolset.byName.sandbox_create.execute(wish))
  },
  "an adapter": async (options, body) => {
    await using toolset = createTools(options)
    const { execute } = aiSdkTools(toolset).sandbox_create
    await body(async (wish) => {
      const result = await execute?.(wish, { toolCallId: "1", messages: [], context: {} })
      return Predicate.hasProperty(result, "text") && Predicate.hasProperty(result, "ok")
        ? { ok: result.ok === true, text: String(result.text) }
        : failed(new Error("no result"))
    })
  },
  MCP: async ({ sessionId: _, files: __, removeOnClose: ___, ...options }, body) => {
    await using server = createMcpServer(options)
    const { url } = await server.http({ port: 0 })
    const connection = await connectHttp(new URL(url))
    try {
      await body((wish) => connection.call("sandbox_create", wish))
    } finally {
      await connection.close()
    }
  },
  promises: async (options, body) => {
    await using sandboxes = createSandboxes(options)
    await body((wish) =>
      sandboxes.create(optionsOf(wish)).then(({ name }) => ({ ok: true, text: name }), failed),
    )
  },
  Effect: ({ driver, sessionId = "effect", files: _, leaseStore: __, ...settings }, body) =>
    Effect.gen(function* () {
      const session = yield* (yield* Sandboxes).session(sessionId)
      const context = yield* Effect.context<never>()
      const create = (wish: Wish) =>
        session.create(optionsOf(wish)).pipe(
          Effect.map(({ name }): Answer => ({ ok: true, text: name })),
          Effect.catch((error) => Effect.succeed(failed(error))),
        )
      yield* Effect.promise(() => body((wish) => Effect.runPromiseWith(context)(create(wish))))
    }).pipe(
      Effect.provide(Layer.provide(Sandboxes.layer(settings), driver)),
      Effect.scoped,
      Effect.runPromise,
    ),
}
