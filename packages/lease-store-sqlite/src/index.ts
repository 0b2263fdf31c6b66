export * from "./SqliteLeaseStore.ts"
