import type { Case } from "../harness/Case.ts"
import { concurrent, eventLoop } from "./concurrent.ts"
import { createCases, remove } from "./create.ts"
import { egressCases } from "./egress.ts"
import { execCpu, execEcho, execGvisor, execOutput, execTrue, execTrueAlone } from "./exec.ts"
import { fileCases } from "./files.ts"
import { list } from "./list.ts"
import { memoryHeld } from "./memory.ts"
import { overhead } from "./overhead.ts"
import { parallelBuild } from "./parallel.ts"
import { remoteCases } from "./remote.ts"
import { sessionCases } from "./sessions.ts"
import { startCases } from "./start.ts"
import { swarmCases } from "./swarm.ts"
import { transferCases } from "./transfer.ts"

/** In the order of the page. */
export const cases: ReadonlyArray<Case> = [
  execTrue,
  execTrueAlone,
  execGvisor,
  execEcho,
  execOutput,
  execCpu,
  concurrent,
  ...createCases,
  remove,
  ...fileCases,
  ...transferCases,
  list,
  overhead,
  memoryHeld,
  eventLoop,
  parallelBuild,
  ...sessionCases,
  ...startCases,
  ...remoteCases,
  ...swarmCases,
  ...egressCases,
]
