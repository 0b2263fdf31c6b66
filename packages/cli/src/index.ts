export { PsReport } from "./commands/ps.ts"
export { cordon } from "./cordon.ts"
export { DoctorReport } from "./doctor/report.ts"
export { GcReport } from "./orphans.ts"
