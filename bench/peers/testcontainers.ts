import type { GenericContainer as Container, StartedTestContainer } from "testcontainers"
import type { Stage } from "../harness/stage.ts"

/** A container as in testcontainers' documentation. Loaded late, because the import looks for an engine. */
export const genericContainer = async (stage: Stage): Promise<Container> => {
  process.env["DOCKER_HOST"] = `unix://${stage.socketPath}`
  // Its own cleaner is an image that would have to be pulled. The stage cleans up instead.
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
