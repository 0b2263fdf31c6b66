import { SandboxDriver, SandboxName, sandboxId } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect } from "effect"
import { tagOf } from "../../support/effects.ts"
import { archiveOf, at, type DriverStage, exec, out, read, session, write } from "./stage.ts"

/** As whom commands and file operations run. */
export const usersContract = ({ check, make, specOf, lacks }: DriverStage) =>
  describe("users", () => {
    check("identify tells a user's IDs, and the home that its commands see", () =>
      Effect.gen(function* () {
        const driver = yield* SandboxDriver
        for (const more of [{}, { env: { HOME: "/elsewhere" } }]) {
          const id = yield* make(more)
          const { uid, gid, groups, home } = yield* driver.identify(id)
          assert.deepStrictEqual([uid, gid, groups], [0, 0, []])
          assert.strictEqual(yield* out(id, 'printf %s "$HOME"'), home)
        }
      }),
    )

    check(
      "exec and create refuse a user that the image does not have",
      () =>
        Effect.gen(function* () {
          const driver = yield* SandboxDriver
          const id = yield* make()
          for (const user of ["nosuch", "root:nosuch", "4294967296", "0:4294967296"]) {
            assert.strictEqual(yield* tagOf(exec(id, "true", { user })), "InvalidInput", user)
          }
          assert.strictEqual(yield* out(id, "id -u", { user: "65534:65534" }), "65534\n")
          const spec = specOf(SandboxName.make("nobodys"), { user: "nosuch", workdir: "/tmp" })
          const nobodys = sandboxId(session, spec.name)
          const made = driver.create({ id: nobodys, session, spec })
          assert.strictEqual(yield* tagOf(made), "InvalidInput")
          assert.strictEqual(yield* tagOf(driver.inspect(nobodys)), "SandboxNotFound")
        }),
      lacks.permissions,
    )

    check(
      "a user without permission can't read, write or unpack, nor through a link",
      () =>
        Effect.gen(function* () {
          const id = yield* make({ user: "65534:65534", workdir: "/tmp" })
          assert.strictEqual(yield* tagOf(write(id, "/etc/passwd", "x")), "PermissionDenied")
          assert.strictEqual(yield* tagOf(write(id, "/etc/new", "x")), "PermissionDenied")
          assert.strictEqual(yield* tagOf(write(id, "/new/folder/f", "x")), "PermissionDenied")
          assert.strictEqual(yield* tagOf(read(id, "/etc/shadow")), "PermissionDenied")
          // A link that its user planted leads no further than the user could go.
          yield* exec(id, "ln -s /etc/passwd /tmp/planted")
          assert.strictEqual(yield* tagOf(write(id, "/tmp/planted", "x")), "PermissionDenied")
          const driver = yield* SandboxDriver
          const put = driver.putArchive(id, at("/etc"), archiveOf({ path: "x", text: "y" }))
          assert.strictEqual(yield* tagOf(put), "PermissionDenied")
          yield* write(id, "/tmp/own", "mine")
          assert.strictEqual(yield* read(id, "/tmp/own"), "mine")
        }),
      lacks.permissions,
    )
  })
