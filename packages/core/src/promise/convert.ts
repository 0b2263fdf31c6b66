import { Effect, Stream } from "effect"
import type { OutputEvent } from "../values/Exec.ts"
import type { Content } from "./options.ts"
import { callback, thrown } from "./rejection.ts"

/** Hands pieces of output on as text; a character may begin in one and end in the next. */
export const textOutput = (
  onStdout: ((text: string) => void) | undefined,
  onStderr: ((text: string) => void) | undefined,
) => {
  // As in the result: a mark of the byte order is part of the text.
  const decoders = {
    Stdout: new TextDecoder("utf-8", { ignoreBOM: true }),
    Stderr: new TextDecoder("utf-8", { ignoreBOM: true }),
  }
  const tell = (output: OutputEvent["_tag"], text: string) => {
    if (text !== "") callback(() => (output === "Stdout" ? onStdout : onStderr)?.(text))
  }
  return {
    onOutput: ({ _tag, bytes }: OutputEvent) =>
      Effect.sync(() => tell(_tag, decoders[_tag].decode(bytes, { stream: true }))),
    /** Tells of a character that was never finished, as the result has it. */
    end: Effect.sync(() => {
      tell("Stdout", decoders.Stdout.decode())
      tell("Stderr", decoders.Stderr.decode())
    }),
  }
}

/** A source that throws must end the call with what it threw. */
export const contentStream = (content: Content) =>
  typeof content === "string" || content instanceof Uint8Array
    ? content
    : Stream.orDie(Stream.fromAsyncIterable(content, thrown))

/** Hands each step of something long on. */
export const onStep = <Step>(tell: ((step: Step) => void) | undefined) =>
  tell && ((step: Step) => Effect.sync(() => callback(() => tell(step))))
