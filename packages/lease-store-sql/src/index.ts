export { type Dialect, layerSqlStore } from "./SqlLeaseStore.ts"
