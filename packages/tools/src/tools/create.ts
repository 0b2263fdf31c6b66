import {
  AbsolutePath,
  ImageReference,
  NetworkMode,
  type PullProgress,
  RuntimeChoice,
  SandboxName,
} from "@cordon/core"
import { Effect, Schema } from "effect"
import {
  describe,
  envField,
  number,
  optional,
  sandboxFields,
  showLimits,
  showSeconds,
} from "../fields.ts"
import { OnToolProgress } from "../progress.ts"
import { Shell, shellOf } from "../shell.ts"
import { showRules } from "../showRules.ts"
import { defineTool } from "../Tool.ts"

const { optionalKey } = Schema

const input = Schema.Struct({
  name: optional(
    SandboxName.annotate({
      description:
        "Unique in this session: 1 to 38 lower-case letters, digits and inner hyphens. A random one by default.",
    }),
  ),
  image: optional(
    ImageReference.annotate({
      description:
        'Container image with a POSIX shell, such as "python:3.12-slim" or "node:24". The host program chooses the default, usually ubuntu:24.04.',
    }),
  ),
  runtime: optional(
    RuntimeChoice.annotate({
      description:
        "OCI runtime; a host offers only some of them. strongest: the one of them that isolates best, for code that nobody trusts. Leave it out unless the user asks for one.",
    }),
  ),
  memory: optional(
    Schema.Union([Schema.String, Schema.Finite]).annotate({
      description: 'Memory limit, swap included: "512MiB", "2GiB", or bytes. Default "2GiB".',
    }),
  ),
  cpus: optional(Schema.Finite.annotate({ description: "CPU cores, such as 0.5. Default 1." })),
  pids: optional(
    Schema.Finite.annotate({ description: "Most processes and threads at once. Default 256." }),
  ),
  network: optional(
    NetworkMode.annotate({
      description:
        "bridge: may reach the internet (default). internal: no way out. none: loopback only.",
    }),
  ),
  env: optional(envField('Environment variables of every command: {"CI": "1"}.')),
  workdir: optional(
    AbsolutePath,
    "Absolute path where commands run and relative paths start; made if missing.",
  ),
})

const output = Schema.Struct({
  ...sandboxFields,
  shell: optionalKey(
    Shell.annotate({ description: "What runs commands: bash, or sh where the image has no bash." }),
  ),
  reaches: optionalKey(
    Schema.Array(Schema.String).annotate({
      description:
        "The only destinations that programs in it reach, by HTTP and TLS through the proxy that the usual variables name.",
    }),
  ),
  stopped_after_idle_seconds: Schema.Finite.annotate({
    description: "Unused for this long it is stopped; the next use starts it again.",
  }),
  removed_after_idle_seconds: Schema.Finite.annotate({
    description: "Unused for this long it is removed with its files.",
  }),
})

const showNetwork = ({ network, reaches }: (typeof output)["Type"]) => {
  if (reaches === undefined) return network
  return reaches.length === 0
    ? "with a way out that is closed for now"
    : `with a way out to ${reaches.join(", ")} only`
}

const megabytes = (bytes: number) => `${number(Math.round(bytes / 1e5) / 10)} MB`

const showPull = ({ image, status, layer, current, total }: PullProgress) => {
  const part = layer === undefined ? "" : ` ${layer}`
  const whole = total === undefined ? "" : ` of ${megabytes(total)}`
  const done = current === undefined ? "" : ` ${megabytes(current)}${whole}`
  return `Pulling ${image}: ${status}${part}${done}`
}

export const sandboxCreate = defineTool({
  name: "sandbox_create",
  title: "Create sandbox",
  description: `Create and start a sandbox: an isolated Linux container in which you may run any command, install packages and edit files without touching the user's machine. Call it before any other sandbox tool, unless sandbox_list shows a sandbox that you can use. Every field is optional. The first use of an image may take minutes while it is pulled. Files and installed packages stay until the sandbox is removed; unused, it is stopped and later removed, as the result says, so download what must be kept.
Example: {"name": "web-1", "image": "node:24", "memory": "1GiB"}`,
  annotations: { readOnly: false, destructive: false, idempotent: false, openWorld: true },
  input,
  output,
  handler: Effect.fnUntraced(function* ({ memory, cpus, pids, ...rest }, session) {
    const onProgress = yield* OnToolProgress
    const sandbox = yield* session.create(
      {
        ...rest,
        limits: {
          memory,
          cpus,
          pids,
        },
      },
      onProgress && ((step) => onProgress({ message: showPull(step) })),
    )
    const { info } = sandbox
    const shell = yield* shellOf(sandbox)
    return {
      ...describe(info),
      ...(shell === undefined ? {} : { shell }),
      ...(sandbox.egress.rules && { reaches: showRules(sandbox.egress.rules) }),
      stopped_after_idle_seconds: info.lease.idleTimeout / 1000,
      removed_after_idle_seconds: info.lease.removeTimeout / 1000,
    }
  }),
  render: (box) =>
    `Sandbox "${box.name}" is ${box.status}: image ${box.image}, runtime ${box.runtime}, ${showLimits(box.limits)}, network ${showNetwork(box)}, working directory ${box.workdir}.${box.shell === undefined ? "" : ` Commands run under ${box.shell}.`} Unused it is stopped after ${showSeconds(box.stopped_after_idle_seconds)} and removed with its files after ${showSeconds(box.removed_after_idle_seconds)}.`,
})
