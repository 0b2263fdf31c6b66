/** The model's view of an output, if it differs from the output itself. */
import type { ToolPicture } from "./Tool.ts"

/** The model's view of an output. */
export interface Shown<Output> {
  /** Read by the model in the output's place. */
  readonly instead?: Output | undefined
  /** Shown beside the text. */
  readonly pictures?: ReadonlyArray<ToolPicture> | undefined
}

// An output has only the fields of the tool's schema. The model's view is kept beside it.
const shown = new WeakMap<object, Shown<object>>()

/** Sets the model's view of an output. @returns the output itself */
export const showing = <Output extends object>(output: Output, how: Shown<Output>): Output => {
  shown.set(output, how)
  return output
}

/** The model's view of an output; the output itself if none was set. */
export const shownFor = <Output extends object>(
  { render }: { readonly render: (output: Output) => string },
  output: Output,
): Shown<Output> & { readonly text: string } => {
  const { instead, pictures } = shown.get(output) ?? {}
  const read = { ...output, ...instead }
  return { text: render(read), instead: instead && read, pictures }
}
