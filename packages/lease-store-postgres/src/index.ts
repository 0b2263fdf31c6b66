export * from "./PostgresLeaseStore.ts"
