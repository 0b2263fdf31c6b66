import { Effect, Stream } from "effect"
import type { OutputEvent } from "../values/Exec.ts"
import type { Content } from "./options.ts"
import { callback, thrown } from "./rejection.ts"

/** Hands pieces of output on as text; a character may begin in one and end in the next. */
export const textOutput = (
  onStdout: ((text: string) => void) | undefined,
  onStderr: ((text: string) => void) | undefined,
) => {
  const decoders = { Stdout: new TextDecoder(), Stderr: new TextDecoder() }
  return ({ _tag, bytes }: OutputEvent) =>
    Effect.sync(() => {
      const text = decoders[_tag].decode(bytes, { stream: true })
      if (text !== "") callback(() => (_tag === "Stdout" ? onStdout : onStderr)?.(text))
    })
}

/** A source that throws must end the call with what it threw. */
export const contentStream = (content: Content) =>
  typeof content === "string" || content instanceof Uint8Array
    ? content
    : Stream.orDie(Stream.fromAsyncIterable(content, thrown))

/** Hands each step of something long on. */
export const onStep = <Step>(tell: ((step: Step) => void) | undefined) =>
  tell && ((step: Step) => Effect.sync(() => callback(() => tell(step))))
