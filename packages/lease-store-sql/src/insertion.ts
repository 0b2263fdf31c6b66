import { findExcess, type Insertion, type NewLease, type Quota, type Quotas } from "@cordon/core"
import { Effect } from "effect"
import type { Dialect } from "./Dialect.ts"
import { type Failure, retryUnlessDone } from "./failures.ts"
import { insertLease, leaseExists, sumUsage } from "./leaseStatements.ts"
import { allLeases, anyRow, firstRow, Usage } from "./rows.ts"
import type { Terms } from "./terms.ts"

/** Begins a lease if its key is free and the quotas allow it. */
export const makeInsert = (terms: Terms, { exclusively }: Dialect) => {
  const insert = (lease: NewLease): Effect.Effect<Insertion, Failure> =>
    Effect.map(allLeases(insertLease(terms, lease)), ([inserted]) =>
      inserted === undefined ? { _tag: "Exists" } : { _tag: "Inserted", lease: inserted },
    )

  const usage = (scope: keyof Quotas, lease: NewLease) =>
    firstRow(Usage, sumUsage(terms, scope, lease))

  const insertWithin = Effect.fnUntraced(function* (
    lease: NewLease,
    quotas: Quotas,
  ): Effect.fn.Return<Insertion, Failure> {
    if (yield* anyRow(leaseExists(terms, lease))) return { _tag: "Exists" }
    const inUse = {
      session: yield* usage("session", lease),
      host: yield* usage("host", lease),
    }
    const excess = findExcess(lease, inUse, quotas)
    if (excess !== undefined) return { _tag: "QuotaExceeded", excess }
    return yield* insert(lease)
  })

  return (lease: NewLease, quotas: Quotas = {}) =>
    retryUnlessDone(
      "begin a lease",
      isLimited(quotas.session) || isLimited(quotas.host)
        ? exclusively(insertWithin(lease, quotas))
        : insert(lease),
    )
}

const isLimited = (quota: Quota = {}) => Object.keys(quota).length > 0
