// Imported for its check, which reports a Node that is too old.
import "@cordon/core"

export { InitReport } from "./commands/init.ts"
export { PortsReport } from "./commands/ports.ts"
export { PsReport } from "./commands/ps.ts"
export { StatsReport } from "./commands/stats.ts"
export { cordon } from "./cordon.ts"
export { DoctorReport } from "./doctor/report.ts"
export { GcReport } from "./orphans.ts"
