/**
 * A coding agent for the AI SDK's harness that needs no network: a program in the sandbox that listens on
 * a port, does what a line tells it, and answers with the number of the turn and what came of it.
 */
import { connect } from "node:net"
import type { HarnessV1, HarnessV1NetworkSandboxSession, HarnessV1Session } from "@ai-sdk/harness"

const port = 4000
const harnessId = "lines"

const bridge = `use IO::Socket::INET;
$| = 1;
my $server = IO::Socket::INET->new(LocalAddr => "127.0.0.1:${port}", Listen => 8, ReuseAddr => 1) or die;
print "ready\\n";
my $turn = 0;
while (my $client = $server->accept) {
  my $task = <$client>;
  next unless defined $task;
  $turn++;
  my $came = \`$task\`;
  print $client "$turn: $came";
  close $client;
}
`

/** What the agent answers; nothing where none listens. */
const ask = (url: string, task: string, signal?: AbortSignal) =>
  new Promise<string>((resolve, reject) => {
    const { hostname, port } = new URL(url)
    const socket = connect({ host: hostname, port: Number(port), allowHalfOpen: true })
    let answer = ""
    socket.setEncoding("utf8").on("data", (text) => {
      answer += String(text)
    })
    socket.on("end", () => {
      socket.end()
      resolve(answer)
    })
    socket.on("error", () => {})
    socket.on("close", () => resolve(answer))
    signal?.addEventListener("abort", () => {
      socket.destroy()
      reject(signal.reason)
    })
    socket.write(`${task}\n`)
  })

const usage = {
  inputTokens: { total: 0, noCache: 0, cacheRead: 0, cacheWrite: 0 },
  outputTokens: { total: 0, text: 0, reasoning: 0 },
}
const stop = { unified: "stop" as const, raw: undefined }

const isNetworkSession = (session: object): session is HarnessV1NetworkSandboxSession =>
  "getPortEndpoint" in session

export const lineHarness: HarnessV1 = {
  specificationVersion: "harness-v1",
  harnessId,
  builtinTools: {},
  getBootstrap: async () => ({
    harnessId,
    bootstrapDir: ".lines",
    files: [{ path: ".lines/bridge.pl", content: bridge }],
    commands: [{ command: "echo installed >> installs" }],
  }),
  doStart: async ({ sandboxSession, sessionWorkDir, sessionId, resumeFrom }) => {
    if (!isNetworkSession(sandboxSession)) throw new Error("it needs ports")
    const { url } = await sandboxSession.getPortEndpoint({ port })
    const lives = resumeFrom !== undefined && (await ask(url, "true")) !== ""
    let kill = async () => {}
    if (!lives) {
      const process = await sandboxSession.spawn({
        command: `exec perl ${sandboxSession.defaultWorkingDirectory}/.lines/bridge.pl`,
        workingDirectory: sessionWorkDir,
      })
      const reader = process.stdout.getReader()
      const { value } = await reader.read()
      await reader.cancel()
      if (new TextDecoder().decode(value) !== "ready\n") throw new Error("it is not ready")
      kill = async () => process.kill()
    }
    const state = {
      type: "resume-session" as const,
      harnessId,
      specificationVersion: "harness-v1" as const,
      data: {},
    }
    const unsupported = () => Promise.reject(new Error("not scripted"))
    const session: HarnessV1Session = {
      sessionId,
      isResume: resumeFrom !== undefined,
      doPromptTurn: async ({ prompt, emit, abortSignal }) => {
        const turn = async () => {
          emit({ type: "stream-start" })
          const delta = await ask(url, String(prompt), abortSignal)
          emit({ type: "text-start", id: "1" })
          emit({ type: "text-delta", id: "1", delta })
          emit({ type: "text-end", id: "1" })
          emit({ type: "finish-step", finishReason: stop, usage })
          emit({ type: "finish", finishReason: stop, totalUsage: usage })
        }
        return { submitToolResult: unsupported, done: turn() }
      },
      doCompact: unsupported,
      doContinueTurn: unsupported,
      doSuspendTurn: unsupported,
      doDetach: async () => state,
      doStop: async () => {
        await kill()
        return state
      },
      doDestroy: kill,
    }
    return session
  },
}
