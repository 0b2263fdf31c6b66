import { Predicate, Record } from "effect"

/** The parts of a request that were given: to a driver, an absent part and `undefined` are the same. */
export const given = (request: object): Readonly<Record<string, unknown>> =>
  Record.filter(Object.fromEntries(Object.entries(request)), Predicate.isNotUndefined)
