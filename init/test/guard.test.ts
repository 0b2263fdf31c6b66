// The rules that keep a sandbox away from the nodes of its swarm, in a network namespace of their own.
import { spawnSync } from "node:child_process"
import { assert, it } from "vitest"
import { onEachProgram } from "./support.ts"

await onEachProgram("the guard", (program) => {
  /** Runs a script in a network that has a gateway, with `$init` as the program. */
  const inNetwork = (script: string) => {
    const setUp =
      "ip link set lo up && ip link add eth0 type veth peer name far && ip addr add 172.18.0.3/16 dev eth0 && ip link set eth0 up && ip link set far up && ip route add default via 172.18.0.1"
    const { stdout, stderr, status } = spawnSync(
      "unshare",
      ["--net", "sh", "-c", `init="${program.command.join(" ")}"; ${setUp}; ${script}`],
      { encoding: "utf8" },
    )
    return { stdout, stderr, status }
  }
  const routes = (...to: ReadonlyArray<string>) =>
    to.map((words) => `ip route get ${words} >/dev/null 2>&1 && echo open || echo closed`).join(";")

  it("refuses an invalid port", () => {
    const { stderr, status } = inNetwork("$init guard 0")
    assert.strictEqual(status, 1)
    assert.match(stderr, /Invalid argument/)
  })

  // QEMU's emulation of Linux passes on none of the messages that this sends to the kernel.
  if (program.command.length > 1) return

  it("closes the port of overlay networks, the gateway and the given addresses", () => {
    const ways = routes(
      "192.0.2.1",
      "192.0.2.1 ipproto udp dport 4788",
      "192.0.2.1 ipproto udp dport 4789",
      "10.1.2.3 ipproto tcp dport 2376",
      "10.1.2.3",
      "10.1.2.3 ipproto udp dport 53",
      "10.1.2.3 ipproto tcp dport 53",
      "172.18.0.1 ipproto tcp dport 22",
      "10.1.2.4",
      "169.254.169.254 ipproto tcp dport 80",
      "169.254.169.254 ipproto udp dport 53",
      "169.253.0.1",
    )
    const { stdout, stderr, status } = inNetwork(
      `$init guard 4789 10.1.2.3 169.254.0.0/16 && ${ways}`,
    )
    assert.strictEqual(status, 0, stderr)
    assert.deepStrictEqual(stdout.trim().split("\n"), [
      "open",
      "open",
      "closed",
      "closed",
      "closed",
      "open",
      "open",
      "closed",
      "open",
      "closed",
      "open",
      "open",
    ])
  })

  it("can be run again, and accepts another port", () => {
    const ways = routes("192.0.2.1 ipproto udp dport 4789", "192.0.2.1 ipproto udp dport 5000")
    const { stdout, stderr } = inNetwork(`$init guard 5000 && $init guard 5000 && ${ways}`)
    assert.strictEqual(stdout, "open\nclosed\n", stderr)
  })

  it("fails when the kernel refuses a rule, and for an invalid address", () => {
    for (const [command, reason] of [
      ["setpriv --bounding-set=-net_admin $init guard 4789", /not permitted/],
      ["$init guard 4789 example.com", /Invalid argument/],
      ["$init guard 4789 10.0.0.0/33", /Invalid argument/],
    ] as const) {
      const { stderr, status } = inNetwork(command)
      assert.strictEqual(status, 1, command)
      assert.match(stderr, reason)
    }
  })
})
