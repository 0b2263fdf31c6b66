import type { ToolError } from "./errors.ts"

/** Models know sandboxes by name; the core names them by ID. */
const named = (sandbox: string) => JSON.stringify(sandbox.replace(/^cordon-[0-9a-f]{16}-/, ""))

/** The error in one line for a model, with the tool to call next where one helps. */
export const errorMessage = (error: ToolError): string => {
  switch (error._tag) {
    case "SandboxNotFound":
      return `There is no sandbox ${named(error.sandbox.slice(0, 300))} in this session. Call sandbox_list to see which there are, or sandbox_create to make one.`
    case "SandboxNotRunning":
      return `Sandbox ${named(error.sandbox)} is ${error.status}, not running. Start it with sandbox_manage {"sandbox": ${named(error.sandbox)}, "action": "start"}; its files are kept.`
    case "SandboxNameTaken":
      return `A sandbox named ${named(error.sandbox)} already exists in this session. Use it as it is, choose another name, or remove it with sandbox_manage.`
    case "LeaseLost":
      return `Sandbox ${named(error.sandbox)} went unused for too long and was removed, or was taken over. Make a new one with sandbox_create.`
    case "FileTooLarge":
      return `${error.message} To read a part give offset and length, or start_line and end_line.`
    case "QuotaExceeded":
      return `The limit of ${error.limit} ${error.resource} is reached. Remove one that is no longer needed with sandbox_manage, or ask the user to raise the limit.`
    case "EngineError":
      // What an engine says may hold what others told it, or tell of the host and of others.
      return error.ours === true
        ? error.message
        : `The container engine failed to ${error.operation}. Try once more; if it fails again, tell the user that the reason is in the program's debug log.`
    case "LeaseStoreFailed":
      return `The lease store failed to ${error.operation}; the sandbox itself is untouched. No tool can fix this: tell the user.`
    case "EngineUnreachable":
      return `${error.message} No tool can fix this: tell the user.`
    default:
      // A schema's refusal spreads over lines.
      return error.message.replace(/\s*\n\s*/g, " ")
  }
}
