import { slot } from "./deepagents.ts"
import { slotSuite } from "./suite.ts"

slotSuite(slot)
