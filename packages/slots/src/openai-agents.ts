import "@cordon/core"

export {
  type OpenaiAgentsClient,
  type OpenaiAgentsClientOptions,
  openaiAgentsClient,
} from "./openai-agents/client.ts"
export {
  type OpenaiAgentsSession,
  type OpenaiAgentsSessionOptions,
  type OpenaiAgentsSessionState,
  openaiAgentsSession,
} from "./openai-agents/session.ts"
