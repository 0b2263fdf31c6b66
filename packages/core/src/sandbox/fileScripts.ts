/**
 * What helper scripts inside a sandbox have in common: POSIX sh only, paths as positional
 * parameters and always absolute (so that no name can be taken for an option), and exit codes that
 * say what was wrong.
 */
import {
  type FileError,
  FileNotFound,
  InvalidPath,
  NotAFile,
  PermissionDenied,
  StorageFailed,
} from "../errors.ts"

/** Exit codes by which the file scripts say what was wrong. */
export const fileExit = {
  notFound: 71,
  directory: 72,
  notRegular: 73,
  denied: 74,
  notDirectory: 75,
  failed: 76,
  size: 77,
  loop: 78,
  notFile: 79,
} as const

/**
 * Says why a path can't be used, by walking it from the root: shell tests alone can't tell a
 * missing file from one behind a folder that may not be entered.
 */
export const explain = `
explain() {
  rest=\${1#/} at=
  while [ -n "$rest" ]; do
    part=\${rest%%/*}
    case $rest in */*) rest=\${rest#*/} ;; *) rest= ;; esac
    [ -n "$part" ] || continue
    at=$at/$part
    if [ -L "$at" ] && [ ! -e "$at" ]; then
      if readlink -f "$at" >/dev/null 2>&1; then exit ${fileExit.notFound}; else exit ${fileExit.loop}; fi
    fi
    [ -e "$at" ] || { up=\${at%/*}; if [ -x "\${up:-/}" ]; then exit ${fileExit.notFound}; else exit ${fileExit.denied}; fi; }
    [ -z "$rest" ] || [ -d "$at" ] || exit ${fileExit.notDirectory}
    [ -z "$rest" ] || [ -x "$at" ] || exit ${fileExit.denied}
  done
}
`

/** What a script's exit code and words mean. */
export const fileError = (path: string, exitCode: number, stderr: string): FileError => {
  switch (exitCode) {
    case fileExit.notFound:
      return new FileNotFound({ path })
    case fileExit.directory:
      return new NotAFile({ path, kind: "directory" })
    case fileExit.notRegular:
      return new NotAFile({ path, kind: "special file" })
    case fileExit.notDirectory:
    case fileExit.notFile:
      return new NotAFile({ path, kind: "file where a folder is needed" })
    case fileExit.denied:
      return new PermissionDenied({ path })
    case fileExit.loop:
      return new InvalidPath({ path, reason: "its symlinks form a loop" })
    case fileExit.size:
      return new StorageFailed({ path, reason: "the content has not the size that was announced" })
    default: {
      if (/no space left|disk quota/i.test(stderr)) {
        return new StorageFailed({ path, reason: "no space is left" })
      }
      if (/name too long/i.test(stderr)) return new InvalidPath({ path, reason: "it is too long" })
      if (/permission denied|read-only|not permitted/i.test(stderr)) {
        return new PermissionDenied({ path })
      }
      const reason = stderr.trim().slice(-500) || `the helper ended with exit code ${exitCode}`
      return new StorageFailed({ path, reason })
    }
  }
}
