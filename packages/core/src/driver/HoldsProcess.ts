import { Context } from "effect"

/**
 * Whether what a driver keeps open for later (its engine's events, connections) keeps the process
 * alive: true by default. Programs without Effect say false: what they wait for holds it alone, so
 * that a program that forgot to close ends all the same.
 */
export const HoldsProcess = Context.Reference<boolean>("@cordon/core/HoldsProcess", {
  defaultValue: () => true,
})
