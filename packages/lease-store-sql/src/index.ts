// It says so on a Node that is too old.
import "@cordon/core"

export type { Dialect } from "./Dialect.ts"
export { layerSqlStore } from "./SqlLeaseStore.ts"
