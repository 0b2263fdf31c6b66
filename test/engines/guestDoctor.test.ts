import { DoctorReport } from "@cordon/cli"
import { assert, describe, it } from "@effect/vitest"
import { Schema } from "effect"
import { run } from "../cli/support.ts"
import { copyImage } from "../support/engineContainer.ts"
import { skipped } from "../support/skipped.ts"
import { guestEngine, noGuest } from "./guest.ts"

const image = process.env["CORDON_TEST_IMAGE"] ?? "ubuntu:24.04"
const decode = Schema.decodeUnknownSync(Schema.fromJsonString(DoctorReport))

/** What the doctor says of one of the guest's engines, by check. */
const examined = async (name: Parameters<typeof guestEngine>[0]) => {
  const { client, socketPath } = guestEngine(name)
  await copyImage(image, client)
  const { stdout } = await run([
    "doctor",
    "--json",
    "--image",
    image,
    "--host",
    `unix://${socketPath}`,
  ])
  const report = decode(stdout)
  const checks = new Map(
    report.checks.map(({ name, status, detail, mend }) => [
      name,
      `${status}: ${detail} ${mend ?? ""}`,
    ]),
  )
  return { report, of: (check: string) => checks.get(check) ?? "missing" }
}

describe("the doctor on cgroup v2", () => {
  const test = (title: string, body: () => Promise<void>) =>
    noGuest === undefined ? it(title, body, 120_000) : skipped(title, noGuest)

  test("says why a rootless engine without systemd enforces no limits, and how to fix it", async () => {
    const { report, of } = await examined("rootless")
    assert.strictEqual(report.verdict, "broken")
    assert.deepStrictEqual(report.limits, { memory: "ignored", cpus: "ignored", pids: "ignored" })
    assert.isTrue(report.engine?.rootless)
    for (const check of ["cgroups", "limit of memory", "limit of cpus", "limit of pids"]) {
      assert.match(of(check), /^failed: .*loginctl enable-linger/, check)
    }
    assert.match(of("system calls"), /^ok: AF_VSOCK and io_uring are refused/)
  })

  test("finds Podman with crun healthy, and names crun", async () => {
    const { report, of } = await examined("podman")
    assert.deepStrictEqual(report.limits, {
      memory: "enforced",
      cpus: "enforced",
      pids: "enforced",
    })
    assert.strictEqual(report.engine?.defaultRuntime, "crun")
    assert.match(of("runtime runc"), /^ok: .*Podman runs crun/)
    assert.match(of("cgroups"), /^ok: version 2/)
  })
})
