import { Cause, Effect, Exit, Layer } from "effect"
import { callSite } from "../errors/callSite.ts"
import { withCallSite } from "../errors/TaggedError.ts"
import { Settings } from "../Settings.ts"
import type { SettingsInput } from "../settings/SettingsInput.ts"

/** Throws what is wrong with settings; they need nothing but the environment. */
export const checkSettings = (settings: SettingsInput): void => {
  const exit = Effect.runSyncExit(Effect.scoped(Layer.build(Settings.layer(settings))))
  if (Exit.isSuccess(exit)) return
  throw withCallSite(Cause.squash(exit.cause), callSite(checkSettings).frames())
}
