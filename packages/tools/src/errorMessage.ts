import type { ToolError } from "./errors.ts"

/** Models know sandboxes by name; the core names them by ID. */
const named = (sandbox: string) => JSON.stringify(sandbox.replace(/^cordon-[0-9a-f]{16}-/, ""))

/**
 * Whether an error has details that a model must not see: addresses and messages of an engine or a
 * database. They may contain addresses and paths of the host, or text from others.
 */
export const isForProgram = (error: ToolError): boolean =>
  error._tag === "EngineUnreachable" ||
  error._tag === "LeaseStoreFailed" ||
  error._tag === "Unexpected" ||
  (error._tag === "EngineError" && !error.isInOwnWords)

export const internalError =
  "An internal error of the sandbox tools; it is in the program's log. Try once more, then tell the user."

const inLog = "the reason is in the program's log"

/** The message for a failed set-up (of a driver, a store, the session's files), which no model can fix. */
export const setupMessage = (error: ToolError): string =>
  error._tag === "Closed" || isForProgram(error)
    ? errorMessage(error)
    : `The sandboxes could not be set up (${error._tag}). No tool can fix this: tell the user that ${inLog}.`

/** The error in one line for a model, with the tool to call next if one helps. */
export const errorMessage = (error: ToolError): string => {
  switch (error._tag) {
    case "SandboxNotFound":
      return `There is no sandbox ${named(error.sandbox.slice(0, 300))} in this session. Call sandbox_list to see the sandboxes, or sandbox_create to make one.`
    case "SandboxNotRunning":
      return `Sandbox ${named(error.sandbox)} is ${error.status}, not running. Start it with sandbox_manage {"sandbox": ${named(error.sandbox)}, "action": "start"}; its files are kept.`
    case "SandboxNameTaken":
      return `A sandbox named ${named(error.sandbox)} already exists in this session. Use it as it is, choose another name, or remove it with sandbox_manage.`
    case "SandboxCondemned":
      return `Sandbox ${named(error.sandbox)} can't be used any more: ${error.reason}. Make a new one with sandbox_create; the name is free.`
    case "LeaseLost":
      return `Sandbox ${named(error.sandbox)} went unused for too long and was removed, or was taken over. Make a new one with sandbox_create.`
    case "FileTooLarge":
      return `${error.message} To read a part give offset and length, or start_line and end_line.`
    case "QuotaExceeded":
      return `The limit of ${error.limit} ${error.resource} is reached. Remove one that is no longer needed with sandbox_manage, or ask the user to raise the limit.`
    case "ProcessNotFound":
      return `There is no background process ${JSON.stringify(error.process.slice(0, 300))} in this sandbox. Call sandbox_process_logs without "process" to see the processes.`
    case "EngineError":
      return isForProgram(error)
        ? `The container engine failed to ${error.operation}. Try once more; if it fails again, tell the user that ${inLog}.`
        : error.message
    case "LeaseStoreFailed":
      return `The lease store failed; the sandbox itself is untouched. No tool can fix this: tell the user that ${inLog}.`
    case "EngineUnreachable":
      return `The container engine does not answer. No tool can fix this: tell the user that npx @cordon/cli doctor shows what is wrong, and that ${inLog}.`
    case "Unexpected":
      return internalError
    default:
      // A schema's error has several lines.
      return error.message.replace(/\s*\n\s*/g, " ")
  }
}
