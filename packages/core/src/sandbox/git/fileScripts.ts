/**
 * What helper scripts inside a sandbox have in common: POSIX sh only, paths as positional
 * parameters and always absolute (so that no name can be taken for an option), and exit codes that
 * say what was wrong.
 */
import {
  type FileError,
  InvalidPath,
  NotADirectory,
  PermissionDenied,
  StorageFailed,
} from "../../errors.ts"

/** Exit codes by which scripts say what was wrong with a path. */
export const fileExit = { denied: 74, notDirectory: 75, failed: 76 } as const

/** What a script's exit code and words mean. */
export const fileError = (path: string, exitCode: number, stderr: string): FileError => {
  switch (exitCode) {
    case fileExit.notDirectory:
      return new NotADirectory({ path })
    case fileExit.denied:
      return new PermissionDenied({ path })
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
