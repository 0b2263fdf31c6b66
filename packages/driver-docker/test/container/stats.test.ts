import { assert, describe, it } from "@effect/vitest"
import { statsOf } from "../../src/container/stats.ts"

const cgroup = "/sys/fs/cgroup"
const head = `Inter-|   Receive                                                |  Transmit
 face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed
`
const v1 = {
  [`${cgroup}/memory/memory.usage_in_bytes`]: "5000000\n",
  [`${cgroup}/memory/memory.stat`]: "inactive_file 7\ntotal_inactive_file 1000000\n",
  [`${cgroup}/cpuacct/cpuacct.usage`]: "24010936\n",
  [`${cgroup}/pids/pids.current`]: "3\n",
  [`${cgroup}/blkio/blkio.throttle.io_service_bytes_recursive`]:
    "8:0 Read 10\n8:0 Write 20\n8:0 Sync 30\n8:16 Read 1\n8:16 Write 2\nTotal 33\n",
}
const v2 = {
  [`${cgroup}/memory.current`]: "5000000\n",
  [`${cgroup}/memory.stat`]: "anon 4\ninactive_file 1000000\nactive_file 3\n",
  [`${cgroup}/cpu.stat`]: "usage_usec 24010\nuser_usec 20000\nsystem_usec 4010\n",
  [`${cgroup}/pids.current`]: "3\n",
  [`${cgroup}/io.stat`]:
    "8:0 rbytes=10 wbytes=20 rios=1 wios=2 dbytes=9 dios=0\n8:16 rbytes=1 wbytes=2 rios=1\n",
}
// Of a host that reports nothing.
const unknown = {
  cpuTime: undefined,
  memory: undefined,
  pids: undefined,
  disk: undefined,
  network: undefined,
}
const stats = (files: Readonly<Record<string, string>>) => statsOf(new Map(Object.entries(files)))

describe("Statistics of a sandbox", () => {
  it("are read from both versions of cgroups", () => {
    const rest = { ...unknown, memory: 4_000_000, pids: 3, disk: { read: 11, written: 22 } }
    assert.deepStrictEqual(stats(v1), { ...rest, cpuTime: 24.010936 })
    assert.deepStrictEqual(stats(v2), { ...rest, cpuTime: 24.01 })
  })

  it("count all interfaces but loopback", () => {
    const network = `${head}    lo:     900       9    0    0    0     0          0         0      900       9    0    0    0     0       0          0
  eth0: 1000      10    0    0    0     0          0         0       50       5    0    0    0     0       0          0
eth1:12345678901      10    0    0    0     0          0         0       5       5    0    0    0     0       0          0
`
    assert.deepStrictEqual(stats({ "/proc/net/dev": network }), {
      ...unknown,
      network: { received: 12_345_679_901, sent: 55 },
    })
    assert.deepStrictEqual(stats({ "/proc/net/dev": head }), {
      ...unknown,
      network: { received: 0, sent: 0 },
    })
  })

  it("are undefined where numbers are missing or invalid", () => {
    assert.deepStrictEqual(stats({}), unknown)
    const [memory, , cpu, pids] = Object.keys(v1)
    for (const text of [
      "",
      "max\n",
      "-1\n",
      "1e9\n",
      "99999999999999999999\n",
      "9007199254740993\n",
    ]) {
      const files = Object.fromEntries([memory, cpu, pids].map((path) => [path, text]))
      assert.deepStrictEqual(stats(files), unknown, text)
    }
    const odd = `${head}eth0: 1 2\n`
    assert.deepStrictEqual(stats({ "/proc/net/dev": odd }), unknown)
    // gVisor tells nothing of what the kernel keeps of files.
    assert.deepStrictEqual(stats({ [`${cgroup}/memory/memory.usage_in_bytes`]: "7\n" }), {
      ...unknown,
      memory: 7,
    })
    // No disk was used yet, as far as cgroups v1 tell.
    const [disk = ""] = Object.keys(v1).slice(-1)
    assert.deepStrictEqual(stats({ [disk]: "Total 0\n" }), unknown)
    // A part that is larger than the whole was read a moment later.
    const later = { ...v2, [`${cgroup}/memory.current`]: "5" }
    assert.strictEqual(stats(later).memory, 0)
  })
})
