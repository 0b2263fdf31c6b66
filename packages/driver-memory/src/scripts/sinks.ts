import type { IFileSystem, InMemoryFs } from "just-bash"
import { contentBytes } from "./bytes.ts"

/** A path that is no file. What a script appends to it goes to `take`. */
export interface Sink {
  readonly path: string
  readonly take: (bytes: Uint8Array) => void
}

/** The same file system, with some sinks in it. */
export const withSinks = (fs: InMemoryFs, sinks: ReadonlyArray<Sink>): IFileSystem => {
  const appendFile: IFileSystem["appendFile"] = async (at, content, encoding) => {
    const sink = sinks.find(({ path }) => path === at)
    if (sink === undefined) await fs.appendFile(at, content, encoding)
    else sink.take(contentBytes(content, encoding))
  }
  return new Proxy(fs, {
    get: (target, name) => {
      if (name === "appendFile") return appendFile
      const value: unknown = Reflect.get(target, name, target)
      return typeof value === "function" ? value.bind(target) : value
    },
  })
}
