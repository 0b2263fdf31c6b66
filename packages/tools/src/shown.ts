/** What a model is shown of an output where that is not the output itself. */
import type { ToolPicture } from "./Tool.ts"

interface Shown {
  /** Read by the model in the output's place. */
  readonly instead?: object
  readonly pictures?: ReadonlyArray<ToolPicture>
}

// An output is the program's, and has the fields that the tool's schema says. What only the model
// gets goes along beside it.
const shown = new WeakMap<object, Shown>()

/** Says what a model is shown of an output. @returns the output itself */
export const showing = <Output extends object>(
  output: Output,
  how: { readonly instead?: Output; readonly pictures?: ReadonlyArray<ToolPicture> },
): Output => {
  shown.set(output, how)
  return output
}

/** What a model gets of an output. */
export const shownFor = <Output extends object>(
  { render }: { readonly render: (output: Output) => string },
  output: Output,
): { readonly text: string; readonly pictures?: ReadonlyArray<ToolPicture> } => {
  const { instead, pictures } = shown.get(output) ?? {}
  return {
    text: render({ ...output, ...instead }),
    ...(pictures === undefined ? {} : { pictures }),
  }
}
