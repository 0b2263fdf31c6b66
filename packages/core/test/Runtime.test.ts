import { chooseRuntime, isolationOf, type Runtime } from "@cordon/core"
import { assert, describe, it } from "@effect/vitest"

describe("chooseRuntime", () => {
  it("picks the strongest available runtime", () => {
    const orders: ReadonlyArray<readonly [ReadonlyArray<Runtime>, Runtime | undefined]> = [
      [["runc", "sysbox-runc", "kata", "gvisor"], "kata"],
      [["runc", "gvisor", "sysbox-runc"], "gvisor"],
      [["runc", "sysbox-runc"], "sysbox-runc"],
      [["runc"], "runc"],
      [[], undefined],
    ]
    for (const [offered, chosen] of orders) {
      assert.strictEqual(chooseRuntime("strongest", offered), chosen)
    }
  })

  it("never picks a runtime other than the named one", () => {
    for (const runtime of ["runc", "sysbox-runc", "kata", "gvisor"] as const) {
      assert.strictEqual(chooseRuntime(runtime, ["runc", "gvisor", "kata", runtime]), runtime)
      const others = (["runc", "sysbox-runc", "kata", "gvisor"] as const).filter(
        (other) => other !== runtime,
      )
      assert.isUndefined(chooseRuntime(runtime, others))
    }
    assert.strictEqual(isolationOf("sysbox-runc"), "container")
  })
})
