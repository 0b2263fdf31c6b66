import type { PromiseSandbox, PromiseShell, PromiseShellExecOptions } from "@cordon/core"

/** A shell that is opened with its first command, and again after it was closed. */
export const lazyShell = (sandbox: () => Promise<PromiseSandbox>) => {
  let opening: Promise<PromiseShell> | undefined
  return {
    exec: async (script: string, options: PromiseShellExecOptions) => {
      opening ??= sandbox().then((own) => own.shell())
      const own = opening
      try {
        const shell = await own
        return await shell.exec(script, options)
      } catch (error) {
        // If it could not be opened, the next command tries again.
        await own.catch(() => {
          if (opening === own) opening = undefined
        })
        throw error
      }
    },
    close: async () => {
      const own = opening
      opening = undefined
      const shell = await own?.catch(() => undefined)
      await shell?.close()
    },
  }
}
