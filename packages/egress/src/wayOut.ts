import type { EgressAttempt, EgressRules, SandboxId, WayOut } from "@cordon/core"
import { Effect, PubSub, Stream } from "effect"
import { makeAuthority } from "./authority.ts"
import { EgressProxy } from "./EgressProxy.ts"
import { handTo } from "./handTo.ts"
import { makeLeading } from "./leading.ts"
import { parseRules } from "./leads.ts"
import type { EgressBrokerOptions } from "./options.ts"
import type { Placeholders } from "./placeholders.ts"
import type { Subject } from "./policy.ts"
import { port, trust, variables } from "./trust.ts"

// The number of attempts that are kept, and by which a slow consumer may lag.
const kept = 1000

/** Reports attempts: the last ones and future ones. */
const makeAudit = Effect.fnUntraced(function* (onAttempt: (attempt: EgressAttempt) => void) {
  const audit = yield* Effect.acquireRelease(PubSub.sliding<EgressAttempt>(kept), PubSub.shutdown)
  const last: Array<EgressAttempt> = []
  return {
    tell: (attempt: EgressAttempt) => {
      last.push(attempt)
      if (last.length > kept) last.shift()
      PubSub.publishUnsafe(audit, attempt)
      onAttempt(attempt)
    },
    attempts: Effect.sync(() => [...last]),
    watch: Stream.fromPubSub(audit),
  }
})

/** Makes the egress proxy of one sandbox in this program. The end of the scope closes it. */
export const makeWayOut = Effect.fnUntraced(function* (
  rules: EgressRules,
  sandbox: SandboxId,
  options: Omit<EgressBrokerOptions, "seed" | "askTimeout"> & {
    /** Milliseconds. */
    readonly askTimeout: number
    readonly placeholders: Placeholders
  },
) {
  const { ask, askTimeout, hosts = {}, ca, placeholders, onAttempt = () => {} } = options
  let [known, policy] = [rules, yield* parseRules(rules)]
  const authority = yield* Effect.promise(makeAuthority)
  const { tell, attempts, watch } = yield* makeAudit((attempt) =>
    onAttempt({ ...attempt, sandbox }),
  )
  const run = Effect.runPromiseWith(yield* Effect.context<never>())
  const decide = (subject: Subject) => {
    const answer = ask?.({ ...subject, sandbox }) ?? false
    return Effect.isEffect(answer) ? run(answer) : answer
  }
  const proxy = yield* Effect.acquireRelease(
    Effect.sync(
      () =>
        new EgressProxy({
          policy,
          authority,
          placeholders,
          hosts,
          ca,
          ask: ask && decide,
          patience: askTimeout,
          onAttempt: tell,
        }),
    ),
    (proxy) => Effect.sync(() => proxy.close()),
  )
  const leading = makeLeading(proxy)
  const way: WayOut = {
    rules: () => known,
    env: () => ({ ...variables(), ...placeholders.env(policy) }),
    open: Effect.fnUntraced(function* (sandbox) {
      const stdin = authority.certificate
      yield* sandbox.run(trust, { user: "root", stdin, timeout: "30 seconds" })
      yield* sandbox.ports.serve(port, handTo(proxy.take), leading.again(sandbox))
      yield* leading.open(sandbox, policy)
    }),
    update: Effect.fnUntraced(function* (next) {
      const parsed = yield* parseRules(next)
      yield* leading.apply(parsed, () => {
        policy = parsed
        known = next
        proxy.update(policy)
      })
    }),
    attempts,
    watch,
  }
  return way
})
