import { assert, describe, it } from "@effect/vitest"
import { enforcedBy, whyNoLimits } from "../src/engine/enforcement.ts"
import type { EngineInfo } from "../src/engine/schemas.ts"

const host: EngineInfo = { NCPU: 1, MemTotal: 1024 ** 3, CgroupVersion: "2" }
const limits = { MemoryLimit: true, CpuCfsQuota: true, PidsLimit: true }
const podman = { BuildahVersion: "1.42.0", CgroupDriver: "cgroupfs" }

describe("the limits that an engine enforces", () => {
  it("are those that it reports", () => {
    assert.deepStrictEqual(enforcedBy({ ...host, ...limits }), {
      memory: true,
      cpus: true,
      pids: true,
    })
    assert.isFalse(enforcedBy({ ...host, ...limits, CpuCfsQuota: false }).cpus)
    assert.isFalse(enforcedBy({ ...host, ...podman, CgroupVersion: "1", MemoryLimit: true }).cpus)
  })

  it("include CPU time on Podman with cgroup v2, which never reports it", () => {
    const told = { ...host, ...podman, ...limits, CpuCfsQuota: false }
    assert.isTrue(enforcedBy(told).cpus)
    assert.isFalse(enforcedBy({ ...told, MemoryLimit: false }).cpus)
  })

  it("are none without control groups, and the reason is given", () => {
    const rootless = { ...host, CgroupDriver: "none" }
    assert.deepStrictEqual(enforcedBy(rootless), { memory: false, cpus: false, pids: false })
    assert.match(whyNoLimits(rootless) ?? "", /rootless.*systemctl --user/)
    assert.isUndefined(whyNoLimits({ ...host, ...limits, CgroupDriver: "systemd" }))
  })
})
