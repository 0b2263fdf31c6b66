import { Duration, Effect, Stream } from "effect"
import { Incarnation, type SandboxTarget } from "../driver/Incarnation.ts"
import type { ExecError } from "../errors.ts"
import type { SandboxDriver } from "../SandboxDriver.ts"
import { collectOutput } from "../sandbox/exec/Output.ts"

const timeout = Duration.seconds(30)
const maxOutput = 4096

/**
 * Runs a script as root without a lease: code inside could otherwise prolong its own lease by whatever makes this program run the script.
 * The script's failure is logged: one that always fails must not keep the program from its other work.
 */
export const maintain = (
  driver: Pick<SandboxDriver["Service"], "exec">,
  { id, instanceId }: SandboxTarget,
  script: string,
  stdin: string,
): Effect.Effect<void, ExecError> => {
  const request = {
    command: ["/bin/sh", "-c", script],
    cwd: "/",
    user: "root",
    stdin: Stream.make(new TextEncoder().encode(stdin)),
    timeout,
  } as const
  return collectOutput(driver.exec(id, request), maxOutput).pipe(
    Effect.provideService(Incarnation, { id, instanceId }),
    Effect.tap(({ exitCode, stderr }) =>
      exitCode === 0
        ? Effect.void
        : Effect.logWarning("A script of the egress proxy failed", {
            sandbox: id,
            exitCode,
            stderr,
          }),
    ),
    Effect.asVoid,
  )
}
