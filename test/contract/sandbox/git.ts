import { assert, describe } from "@effect/vitest"
import { Effect, Schedule } from "effect"
import { tagOf } from "../../support/effects.ts"
import { core, credentials, password } from "../../support/gitHost.ts"
import { out } from "../../support/sandbox.ts"
import { type GitStage, gitStage, left } from "./gitStage.ts"

/** Cloning, on each driver whose images have git. */
export const gitContract = (stage: GitStage) => {
  const { check, prepared } = gitStage(stage)

  describe("git", () => {
    check("clone gives a branch, a tag or a depth, and fills an empty folder", () =>
      Effect.gen(function* () {
        const { sandbox, project, host } = yield* prepared()
        const branch = yield* sandbox.git.clone(project, {
          branch: "feature/x",
          depth: 1,
          directory: "shallow",
          credentials,
        })
        assert.strictEqual(branch.branch, "feature/x")
        assert.strictEqual(yield* out(sandbox, "git -C shallow rev-list --count HEAD"), "1\n")
        // An empty folder stays the same one, for whoever is in it.
        yield* sandbox.run("mkdir 'the place'; stat -c %i 'the place' >inode")
        const tag = yield* sandbox.git.clone(project, {
          branch: "v1",
          directory: "the place/",
          credentials,
        })
        assert.deepStrictEqual([tag.path, tag.branch], ["/work/the place", undefined])
        assert.strictEqual(yield* sandbox.files.readText("the place/README.md"), "one\n")
        yield* sandbox.run('[ "$(stat -c %i \'the place\')" = "$(cat inode)" ]')
        const empty = yield* sandbox.git.clone(`${host.url}/private/empty.git`, { credentials })
        assert.deepStrictEqual(empty, {
          path: "/work/empty",
          commit: undefined,
          branch: "main",
        })
      }),
    )

    check("clone works for a user other than root, where that user may write", () =>
      Effect.gen(function* () {
        const { sandbox, project } = yield* prepared({ user: "65534:65534" })
        const { path } = yield* sandbox.git.clone(project, { directory: "/tmp/p", credentials })
        assert.strictEqual(yield* out(sandbox, `stat -c %u ${path}/README.md`), "65534\n")
        assert.strictEqual(
          yield* tagOf(sandbox.git.clone(project, { directory: "/etc/p", credentials })),
          "PermissionDenied",
        )
      }),
    )

    check("clone refuses a bad URL or branch, and credentials over plain HTTP", () =>
      Effect.gen(function* () {
        const { sandbox, host } = yield* prepared()
        const clones = [
          sandbox.git.clone("file:///etc"),
          sandbox.git.clone("/etc"),
          sandbox.git.clone("ext::sh -c touch% /tmp/ran"),
          sandbox.git.clone("git@github.com:team/project.git"),
          sandbox.git.clone("ssh://git.test/project.git"),
          sandbox.git.clone("--upload-pack=touch /tmp/ran"),
          sandbox.git.clone("https://"),
          sandbox.git.clone(`${host.url}/`),
          sandbox.git.clone(
            `${host.url}/private/project.git?token=${encodeURIComponent(password)}`,
          ),
          sandbox.git.clone(`${host.url}/a%0ahost=evil.test`),
          sandbox.git.clone(`https://a:${encodeURIComponent(password)}@git.test/p`, {
            credentials,
          }),
          sandbox.git.clone("http://git.test/p", { credentials }),
          sandbox.git.clone(`${host.url}/p`, {
            credentials: { password: `${password}\nhost=evil` },
          }),
          ...["--upload-pack=x", "-b", "a b", "a..b", "x.lock", "", "a/", "a\nb"].map((branch) =>
            sandbox.git.clone(`${host.url}/public/project.git`, { branch }),
          ),
          ...[0, 1.5, -1].map((depth) =>
            sandbox.git.clone(`${host.url}/public/project.git`, { depth }),
          ),
          sandbox.git.clone(`${host.url}/public/project.git`, { timeout: 0 }),
        ]
        for (const clone of clones) {
          const error = yield* Effect.flip(clone)
          assert.strictEqual(error._tag, "InvalidInput", error.message)
          assert.notInclude(JSON.stringify(error) + error.message, core)
        }
        assert.isEmpty(host.asked.git)
        assert.deepStrictEqual(yield* left(sandbox), [])
        assert.isFalse(yield* sandbox.files.exists("/tmp/ran"))
      }),
    )

    check("a clone that fails says why, and leaves nothing behind", () =>
      Effect.gen(function* () {
        const { sandbox, project, host } = yield* prepared()
        const wrong = { credentials: { username: "agent", password: "wrong" }, directory: "a/b" }
        const failures = [
          [sandbox.git.clone(project), "GitAuthFailed"],
          [sandbox.git.clone(project, wrong), "GitAuthFailed"],
          [
            sandbox.git.clone(`${host.url}/private/none.git`, { credentials }),
            "RepositoryNotFound",
          ],
          [sandbox.git.clone(`${host.url}/public/none.git`), "RepositoryNotFound"],
          [sandbox.git.clone(project, { branch: "none", credentials }), "BranchNotFound"],
          [sandbox.git.clone(`${host.url}/private/rude.git`, { credentials }), "CloneFailed"],
          [sandbox.git.clone("https://git.test:1/none.git"), "CloneFailed"],
          [
            sandbox.git.clone(`${host.url}/private/stuck.git`, {
              credentials,
              timeout: "3 seconds",
            }),
            "ExecTimedOut",
          ],
        ] as const
        for (const [clone, tag] of failures) {
          const error = yield* Effect.flip(clone)
          assert.strictEqual(error._tag, tag, error.message)
          assert.notInclude(JSON.stringify(error) + error.message, core)
          assert.deepStrictEqual(yield* left(sandbox), [])
        }
        yield* sandbox.files.write("full/file", "kept")
        yield* sandbox.files.write("file", "kept")
        const into = (directory: string) =>
          tagOf(sandbox.git.clone(project, { directory, credentials }))
        assert.strictEqual(yield* into("full"), "AlreadyExists")
        assert.strictEqual(yield* into("file"), "NotADirectory")
        assert.strictEqual(yield* into("x\0"), "InvalidPath")
        assert.strictEqual(yield* into("/"), "AlreadyExists")
        assert.deepStrictEqual(yield* left(sandbox), [
          "/work/file",
          "/work/full",
          "/work/full/file",
        ])
      }),
    )

    check("an interrupted clone leaves no file and no process behind", () =>
      Effect.gen(function* () {
        const { sandbox, host } = yield* prepared()
        yield* sandbox.run("mkdir empty")
        for (const directory of ["new/folder", "empty"]) {
          const clone = sandbox.git.clone(`${host.url}/private/stuck.git`, {
            directory,
            credentials,
          })
          const begun = Effect.repeat(sandbox.exec(`ls -d ${directory}/.cordon-clone-*/.git`), {
            schedule: Schedule.spaced("50 millis"),
            until: ({ exitCode }) => exitCode === 0,
          })
          // Nobody sees the secret among the arguments while it runs.
          const seen = Effect.andThen(begun, sandbox.run("cat /proc/[0-9]*/cmdline | tr '\\0' ' '"))
          const { stdout } = yield* Effect.raceFirst(seen, Effect.andThen(clone, Effect.never))
          assert.match(stdout, /git .*clone/)
          assert.notInclude(stdout, core)
          assert.deepStrictEqual(yield* left(sandbox), ["/work/empty"])
          assert.strictEqual(
            yield* out(sandbox, "grep -la 's[t]uck.git' /proc/[0-9]*/cmdline; true"),
            "",
          )
        }
      }),
    )
  })
}
