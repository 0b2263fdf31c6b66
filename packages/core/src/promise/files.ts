import { Effect } from "effect"
import { SessionFiles } from "../SessionFiles.ts"
import type { SandboxFiles } from "../sandbox/files/SandboxFiles.ts"
import type { SessionBacking } from "./backing.ts"
import { call, callStream } from "./call.ts"
import { contentStream, onStep } from "./convert.ts"
import type { PromiseSandboxFiles } from "./PromiseSandbox.ts"
import type { PromiseRuntime } from "./runtime.ts"

/** Files of a sandbox. */
export const filesOf = (
  runtime: PromiseRuntime,
  files: SandboxFiles,
  storage: SessionBacking["storage"],
): PromiseSandboxFiles => ({
  read: (path, options) =>
    call(runtime, ["read", "files.read"], { path, options }, () => files.read(path, options)),
  resolve: (path, options) =>
    call(runtime, ["path", "files.resolve"], { path, options }, () => files.resolve(path)),
  readText: (path, options) =>
    call(runtime, ["path", "files.readText"], { path, options }, () => files.readText(path)),
  stream: (path, options) =>
    callStream(runtime, ["read", "files.stream"], { path, options }, () =>
      files.stream(path, options),
    ),
  write: (path, content, options) =>
    call(runtime, ["write", "files.write"], { path, content, options }, () =>
      files.write(path, contentStream(content), options),
    ),
  stat: (path, options) =>
    call(runtime, ["path", "files.stat"], { path, options }, () => files.stat(path)),
  exists: (path, options) =>
    call(runtime, ["path", "files.exists"], { path, options }, () => files.exists(path)),
  list: (path, options) =>
    call(runtime, ["list", "files.list"], { path, options }, () => files.list(path, options)),
  makeDirectory: (path, options) =>
    call(runtime, ["path", "files.makeDirectory"], { path, options }, () =>
      files.makeDirectory(path),
    ),
  move: (from, to, options) =>
    call(runtime, ["move", "files.move"], { from, to, options }, () => files.move(from, to)),
  remove: (path, options) =>
    call(runtime, ["remove", "files.remove"], { path, options }, () => files.remove(path, options)),
  search: (pattern, options) =>
    call(runtime, ["search", "files.search"], { pattern, options }, () =>
      files.search(pattern, options),
    ),
  watch: (path, options) =>
    callStream(runtime, ["watch", "files.watch"], { path, options }, () =>
      files.watch(path, options),
    ),
  upload: (from, to, options) =>
    call(runtime, ["transfer", "files.upload"], { from, to, options }, () =>
      Effect.provideServiceEffect(
        files.upload(from, to, onStep(options?.onProgress)),
        SessionFiles,
        storage,
      ),
    ),
  download: (from, to, options) =>
    call(runtime, ["transfer", "files.download"], { from, to, options }, () =>
      Effect.provideServiceEffect(
        files.download(from, to, onStep(options?.onProgress)),
        SessionFiles,
        storage,
      ),
    ),
})
