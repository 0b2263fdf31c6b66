import { Effect, Stream } from "effect"
import type { TransferProgress } from "../Transfer.ts"
import type { OutputEvent } from "../values/Exec.ts"

import type { Content, TransferOptions } from "./options.ts"

/** Hands pieces of output on as text; a character may begin in one and end in the next. */
export const textOutput = (
  onStdout: ((text: string) => void) | undefined,
  onStderr: ((text: string) => void) | undefined,
) => {
  const decoders = { Stdout: new TextDecoder(), Stderr: new TextDecoder() }
  return ({ _tag, bytes }: OutputEvent) =>
    Effect.sync(() => {
      const text = decoders[_tag].decode(bytes, { stream: true })
      if (text !== "") (_tag === "Stdout" ? onStdout : onStderr)?.(text)
    })
}

/** A source that throws must end the call with what it threw. */
export const contentStream = (content: Content) =>
  typeof content === "string" || content instanceof Uint8Array
    ? content
    : Stream.orDie(Stream.fromAsyncIterable(content, (cause) => cause))

/** Hands the progress of a transfer on. */
export const onTransfer = ({ onProgress }: TransferOptions = {}) =>
  onProgress && ((progress: TransferProgress) => Effect.sync(() => onProgress(progress)))
