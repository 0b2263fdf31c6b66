import { once } from "node:events"
import { PassThrough } from "node:stream"
import type Docker from "dockerode"

/** A command as dockerode's documentation runs one. */
export const dockerodeExec = async (
  container: Docker.Container,
  command: ReadonlyArray<string>,
): Promise<void> => {
  const exec = await container.exec({
    Cmd: [...command],
    AttachStdout: true,
    AttachStderr: true,
  })
  const stream = await exec.start({})
  const stdout = new PassThrough()
  const stderr = new PassThrough()
  container.modem.demuxStream(stream, stdout, stderr)
  stdout.resume()
  stderr.resume()
  await once(stream, "end")
  const { ExitCode } = await exec.inspect()
  if (ExitCode !== 0) throw new Error(`exit code ${ExitCode}`)
}
