import type { PromiseSandbox } from "@cordon/core"
import { applyDiff, type Editor } from "@openai/agents"

/** Applies the patches of `apply_patch` to the files of a sandbox. */
export const editorOf = ({ files }: PromiseSandbox): Editor => ({
  createFile: async ({ path, diff }) => {
    await files.write(path, applyDiff("", diff, "create"))
    return {}
  },
  updateFile: async ({ path, diff, moveTo }) => {
    const patched = applyDiff(await files.readText(path), diff)
    if (moveTo === undefined || (await files.resolve(moveTo)) === (await files.resolve(path))) {
      await files.write(path, patched)
      return {}
    }
    const { mode } = await files.stat(path)
    await files.write(moveTo, patched, { mode })
    await files.remove(path)
    return {}
  },
  deleteFile: async ({ path }) => {
    await files.remove(path)
    return {}
  },
})
