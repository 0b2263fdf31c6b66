import { Effect } from "effect"
import { FileTooLarge, InvalidArchive } from "../../errors.ts"
import type { ArchiveEntry } from "../Archive.ts"
import type { TransferReport } from "../progress.ts"

// Far beyond honest folders; below what would exhaust a file system's inodes.
const mostEntries = 500_000
// Characters of all paths together: what is remembered of an archive is bounded by it.
const mostNames = 64 * 1024 ** 2

/**
 * What has been unpacked of an archive so far: regular files, which hard links may name; folders, whose times are
 * set at the end; and entries that were left out.
 */
export class Unpacked {
  readonly files = new Set<string>()
  readonly folders = new Map<string, Date | undefined>()
  readonly skipped: Array<TransferReport["skipped"][number]> = []
  /** Entries that were folders; an archive may name one several times. */
  directories = 0
  #entries = 0
  #names = 0

  /** Refuses more entries, or longer names, than an honest folder has. */
  count(from: string, { path, linkTarget = "" }: ArchiveEntry<unknown>) {
    this.#entries += 1
    this.#names += path.length + linkTarget.length
    if (this.#entries > mostEntries) {
      return Effect.fail(new FileTooLarge({ path: from, size: this.#entries, limit: mostEntries }))
    }
    return this.#names > mostNames
      ? Effect.fail(
          new InvalidArchive({ reason: `its names take more than ${mostNames} characters` }),
        )
      : Effect.void
  }
}
