import type { schemas } from "@cordon/driver-docker/engine"
import { assert, describe, it } from "@effect/vitest"
import { judgeConfinement } from "../src/doctor/confinement.ts"
import { type Enforced, hostChecks } from "../src/doctor/host.ts"

// As engines answered `/info` that were asked, but for what nobody reads.
const host = { NCPU: 1, MemTotal: 3151659008, CgroupVersion: "2", CgroupDriver: "cgroupfs" }
const graphDriver = {
  Driver: "overlay2",
  DriverStatus: [
    ["Backing Filesystem", "extfs"],
    ["Supports d_type", "true"],
  ],
}
const all: Enforced = { memory: true, cpus: true, pids: true }
const none: Enforced = { memory: false, cpus: false, pids: false }

const version = (Version: string, ApiVersion = "1.51") => ({
  Version,
  ApiVersion,
  Os: "linux",
  Arch: "amd64",
})

const told = (info: schemas.EngineInfo, enforced: Enforced, engine = version("28.5.2")) =>
  Object.fromEntries(
    hostChecks(engine, info, enforced).map((check) => {
      assert.strictEqual(check.mend === undefined, check.status === "ok", check.name)
      return [check.name, `${check.status}: ${check.detail} ${check.mend ?? ""}`.trim()]
    }),
  )

describe("the doctor's checks of an engine", () => {
  it("describe Engine 20.10 on cgroup v1", () => {
    const info = {
      ...host,
      ...graphDriver,
      CgroupVersion: "1",
      DefaultRuntime: "runc",
      SecurityOptions: ["name=seccomp,profile=default"],
    }
    assert.deepStrictEqual(told(info, all, version("20.10.24+dfsg1", "1.41")), {
      engine: "ok: version 20.10.24+dfsg1, API 1.41, linux/amd64; containers run with runc",
      cgroups: "ok: version 1 through cgroupfs",
      "image store": "ok: overlay2, the engine's own image store",
      seccomp: "ok: profile default",
      hardening:
        "ok: no AppArmor; root inside is the host's root, with seven capabilities (no user namespaces)",
    })
  })

  it("name the runtime that Podman really runs", () => {
    const info = {
      ...host,
      Driver: "overlay",
      DefaultRuntime: "crun",
      BuildahVersion: "1.43.2",
      Rootless: false,
      SecurityOptions: ["name=seccomp,profile=default"],
    }
    const { engine } = told(info, all, version("5.8.6", "1.44"))
    assert.strictEqual(
      engine,
      "ok: Podman version 5.8.6, API 1.44, linux/amd64; containers run with crun",
    )
  })

  it("tell containerd's image store from the engine's own", () => {
    const info = {
      ...host,
      Driver: "overlayfs",
      DriverStatus: [["driver-type", "io.containerd.snapshotter.v1"]],
    }
    assert.match(told(info, all)["image store"] ?? "", /^ok: overlayfs, containerd's image store$/)
    assert.match(told({ ...host, Driver: "vfs" }, all)["image store"] ?? "", /^warning: .*overlay2/)
  })

  const rootless = {
    ...host,
    ...graphDriver,
    CgroupDriver: "none",
    SecurityOptions: ["name=seccomp,profile=builtin", "name=rootless", "name=cgroupns"],
  }

  it("say why a rootless engine without systemd enforces no limits, and how to fix it", () => {
    const { cgroups, engine, hardening } = told(rootless, none)
    assert.match(engine ?? "", /, rootless; /)
    assert.match(
      cgroups ?? "",
      /^failed: version 2, which the engine does not use: limits of memory, cpus, pids are not enforced, since the engine is rootless and was not started by systemd Start it from a systemd session .* loginctl enable-linger USER, .* systemctl --user restart docker\b/,
    )
    assert.match(hardening ?? "", /nobody on the host \(user namespaces\)/)
    const podman = { ...rootless, BuildahVersion: "1.43.2", SecurityOptions: [], Rootless: true }
    assert.match(told(podman, none)["cgroups"] ?? "", /systemctl --user restart podman\.socket/)
    const old = { ...rootless, CgroupVersion: "1" }
    assert.match(told(old, none)["cgroups"] ?? "", /unified_cgroup_hierarchy=1/)
  })

  it("name cgroup controllers that are not delegated", () => {
    const info = { ...rootless, CgroupDriver: "systemd" }
    const { cgroups } = told(info, { ...all, cpus: false })
    assert.match(
      cgroups ?? "",
      /^failed: version 2 through systemd: limits of cpus are not .* hand cpu on to users: .*Delegate=cpu/,
    )
    const nested = { ...host, ...graphDriver }
    assert.match(told(nested, { ...all, pids: false })["cgroups"] ?? "", /subtree_control/)
    const old = { ...nested, CgroupVersion: "1" }
    assert.match(told(old, { ...all, pids: false })["cgroups"] ?? "", /Mount the controllers/)
  })

  it("fail an engine without seccomp, and report AppArmor and user namespaces", () => {
    const seccompOf = (SecurityOptions: ReadonlyArray<string>) =>
      told({ ...host, SecurityOptions }, all)["seccomp"] ?? ""
    assert.match(seccompOf([]), /^failed: .*CONFIG_SECCOMP_FILTER/)
    assert.match(seccompOf(["name=seccomp,profile=unconfined"]), /^failed: /)
    assert.match(seccompOf(["name=seccomp,profile=builtin"]), /^ok: profile builtin$/)
    const SecurityOptions = ["name=apparmor", "name=seccomp,profile=builtin", "name=userns"]
    assert.strictEqual(
      told({ ...host, SecurityOptions }, all)["hardening"],
      "ok: AppArmor confines sandboxes; root inside is nobody on the host (user namespaces)",
    )
  })
})

describe("the confinement that the doctor sees inside a sandbox", () => {
  const cases: ReadonlyArray<readonly [saw: string, status: string, detail: RegExp]> = [
    ["seccomp 2\nyama 1\nvsock shut\nuring shut\n", "ok", /are refused; Yama's ptrace_scope is 1$/],
    ["seccomp 2\nvsock open\nuring shut\n", "warning", /lets sandboxes use AF_VSOCK$/],
    ["seccomp 2\nvsock open\nuring open\n", "warning", /AF_VSOCK and io_uring$/],
    ["seccomp 2\nlsm docker-default (enforce)\n", "ok", /the image has no perl.*docker-default/],
    ["seccomp 0\nvsock open\nuring open\n", "failed", /without a seccomp filter/],
  ]
  for (const [saw, status, detail] of cases) {
    it(`is judged correctly: ${JSON.stringify(saw)}`, () => {
      const check = judgeConfinement(saw)
      assert.strictEqual(check.status, status)
      assert.match(check.detail, detail)
      assert.strictEqual(check.mend === undefined, status === "ok")
    })
  }
})
