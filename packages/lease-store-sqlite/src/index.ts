// It says so on a Node that is too old.
import "@cordon/core"

export * from "./SqliteLeaseStore.ts"
