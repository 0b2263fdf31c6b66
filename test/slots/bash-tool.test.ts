import { slot } from "./bash-tool.ts"
import { slotSuite } from "./suite.ts"

slotSuite(slot)
