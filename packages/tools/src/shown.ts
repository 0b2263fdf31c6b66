/** What a model is shown of an output where that is not the output itself. */
import type { ToolPicture } from "./Tool.ts"

/** How a model is shown an output. */
export interface Shown<Output> {
  /** Read by the model in the output's place. */
  readonly instead?: Output | undefined
  /** Shown beside the text. */
  readonly pictures?: ReadonlyArray<ToolPicture> | undefined
}

// An output is the program's, and has the fields that the tool's schema says. What only the model
// gets goes along beside it.
const shown = new WeakMap<object, Shown<object>>()

/** Says what a model is shown of an output. @returns the output itself */
export const showing = <Output extends object>(output: Output, how: Shown<Output>): Output => {
  shown.set(output, how)
  return output
}

/** What a model gets of an output. */
export const shownFor = <Output extends object>(
  { render }: { readonly render: (output: Output) => string },
  output: Output,
): Shown<Output> & { readonly text: string } => {
  const { instead, pictures } = shown.get(output) ?? {}
  const read = { ...output, ...instead }
  return { text: render(read), instead: instead && read, pictures }
}
