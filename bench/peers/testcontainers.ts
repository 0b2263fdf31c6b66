import type { GenericContainer as Container, StartedTestContainer } from "testcontainers"
import type { Stage } from "../harness/stage.ts"

/** A container as testcontainers describes it; loaded late, since it looks for an engine at once. */
export const genericContainer = async (stage: Stage): Promise<Container> => {
  process.env["DOCKER_HOST"] = `unix://${stage.socketPath}`
  // Its own cleaner is an image that would have to be pulled; the stage cleans up.
  process.env["TESTCONTAINERS_RYUK_DISABLED"] = "true"
  const { GenericContainer } = await import("testcontainers")
  return new GenericContainer(stage.image).withCommand(["sleep", "infinity"])
}

export const startTestcontainer = async (
  stage: Stage,
  stack: AsyncDisposableStack,
): Promise<StartedTestContainer> => {
  const started = await (await genericContainer(stage)).start()
  stack.defer(async () => void (await started.stop({ timeout: 0 })))
  return started
}
