import { assert, describe, it } from "@effect/vitest"
import { Duration, Effect } from "effect"
import { isDue, type LeasePhase, Settings } from "../src/index.ts"
import { HostClock } from "../src/leases/HostClock.ts"
import { type IdleDecision, idleDecision, isUsedElsewhere } from "../src/leases/idleRule.ts"

const terms = { idleTimeout: 1000, removeTimeout: 2000 }
const decide = (phase: LeasePhase, unusedFor: number, of = terms) =>
  idleDecision({ phase, unusedFor, ...of })

describe("the rule that an idle sandbox stops", () => {
  it("keeps an active sandbox until its idle timeout is over, then stops it, then removes it", () => {
    const decisions = [0, 999, 1000, 1999, 2000, 1e9].map((unusedFor) =>
      decide("active", unusedFor),
    )
    assert.deepStrictEqual(decisions, ["keep", "keep", "stop", "stop", "remove", "remove"])
  })

  for (const phase of ["creating", "idle", "stopped"] as const) {
    it(`stops no sandbox whose lease is ${phase}, and removes it after its remove timeout`, () => {
      const decisions = [0, 1000, 1999, 2000].map((unusedFor) => decide(phase, unusedFor))
      assert.deepStrictEqual(decisions, ["keep", "keep", "keep", "remove"])
    })
  }

  for (const phase of ["removing", "condemned"] as const) {
    it(`removes a sandbox whose lease is ${phase} at any time`, () => {
      assert.deepStrictEqual([decide(phase, 0), decide(phase, 5000)], ["remove", "remove"])
    })
  }

  it("removes without a stop when the remove timeout is shorter", () => {
    const of = { idleTimeout: 3000, removeTimeout: 2000 }
    const decisions = [1999, 2000, 3000].map((unusedFor) => decide("active", unusedFor, of))
    assert.deepStrictEqual(decisions, ["keep", "remove", "remove"])
  })

  it.effect("uses the host's clock and the settings", () =>
    Effect.gen(function* () {
      const settings = yield* Settings
      const of = {
        idleTimeout: Duration.toMillis(settings.idleTimeout),
        removeTimeout: Duration.toMillis(settings.removeTimeout),
      }
      const clock = new HostClock(0)
      const after = (minutes: number): IdleDecision => {
        const now = Duration.toMillis(Duration.minutes(minutes))
        return decide("active", clock.now(now), of)
      }
      // Nobody beats: an hour on the wall is no time of the host, so nothing runs out.
      assert.strictEqual(after(60), "keep")
      clock.beat(0, Duration.toMillis("1 hour"))
      assert.deepStrictEqual([after(1), after(2), after(4), after(5)], [
        "keep",
        "stop",
        "stop",
        "remove",
      ] as const)
    }).pipe(
      Effect.provide(Settings.layer({ idleTimeout: "2 minutes", removeTimeout: "5 minutes" })),
    ),
  )

  it("makes a lease due exactly when it no longer keeps the sandbox", () => {
    for (const phase of ["creating", "active", "idle", "stopped", "removing"] as const) {
      for (const unusedFor of [0, 1000, 2000]) {
        assert.strictEqual(
          isDue({ phase, unusedFor, ...terms }),
          decide(phase, unusedFor) !== "keep",
          `${phase} ${unusedFor}`,
        )
      }
    }
  })
})

describe("a sandbox counts as used by another program", () => {
  it("while a command of any program runs in it", () => {
    assert.isTrue(isUsedElsewhere({ busy: true, unusedElsewhereFor: 5000 }, terms))
    assert.isFalse(isUsedElsewhere({ busy: false, unusedElsewhereFor: 5000 }, terms))
  })

  it("until its idle timeout after another program's last use", () => {
    const used = [0, 999, 1000].map((unusedElsewhereFor) =>
      isUsedElsewhere({ unusedElsewhereFor }, terms),
    )
    assert.deepStrictEqual(used, [true, true, false])
  })

  it("not when the host does not report it", () => {
    assert.isFalse(isUsedElsewhere({}, terms))
  })
})
