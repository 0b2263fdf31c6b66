import { Schema } from "effect"
import { quote } from "./quote.ts"
import { TaggedError } from "./TaggedError.ts"

/** The session has no snapshot of that name. */
export class SnapshotNotFound extends TaggedError<SnapshotNotFound>()("SnapshotNotFound", {
  /** The name that was asked for. */
  snapshot: Schema.String,
}) {
  override get message() {
    return `There is no snapshot ${quote(this.snapshot)} in this session. List the snapshots to see their names, or take it.`
  }
}

/** The session has a snapshot of that name already. */
export class SnapshotNameTaken extends TaggedError<SnapshotNameTaken>()("SnapshotNameTaken", {
  /** The name that is taken. */
  snapshot: Schema.String,
}) {
  override get message() {
    return `A snapshot named ${quote(this.snapshot)} already exists in this session. Use it, remove it, or choose another name.`
  }
}

/** A snapshot that a sandbox was made from. */
export class SnapshotInUse extends TaggedError<SnapshotInUse>()("SnapshotInUse", {
  /** The snapshot's name. */
  snapshot: Schema.String,
}) {
  override get message() {
    return `Snapshot ${quote(this.snapshot)} is in use. Remove the sandboxes that were made from it first.`
  }
}
