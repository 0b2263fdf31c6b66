import { EngineError } from "@cordon/core"
import { Deferred, Effect, Exit, Scope } from "effect"
import type { ExecConnection } from "../DockerEngine.ts"
import { FrameParser, MalformedFrame } from "../engine/frames.ts"
import type { InitStream } from "./InitConnection.ts"

/**
 * The streams of an init through the engine's attachment. The init's output comes in the engine's
 * frames; its standard error is dropped.
 *
 * @param scope the scope of the attachment; closing the stream closes it
 */
export const engineStream = (attached: ExecConnection, scope: Scope.Closeable): InitStream => ({
  receive: (take) => {
    const parser = new FrameParser()
    const broken = Deferred.makeUnsafe<void, EngineError>()
    const { end } = attached.receive((piece) => {
      try {
        return parser.parse(piece, (stream, bytes) => stream === 2 || take(bytes))
      } catch (cause) {
        if (!(cause instanceof MalformedFrame)) throw cause
        const malformed = EngineError.notDone("read what a sandbox's init says", cause.message)
        Deferred.doneUnsafe(broken, Effect.fail(malformed))
        return false
      }
    })
    return { end: Effect.raceFirst(end, Deferred.await(broken)) }
  },
  write: attached.write,
  close: Effect.andThen(attached.end, Scope.close(scope, Exit.void)),
})
