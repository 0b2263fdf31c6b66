import type { Sandbox, Sandboxes } from "@cordon/core"
import { assert, describe } from "@effect/vitest"
import { Effect, Redacted, Schedule, type Scope } from "effect"
import { core, credentials, gitHost, introduce, password } from "../support/gitHost.ts"
import type { Check } from "../support/onLayer.ts"

/** What cloning does on every driver whose images have git. */
export const gitContract = (needs: {
  readonly check: Check<Sandboxes>
  /** A sandbox of an image with git and a way out, made with the host's files in place. */
  readonly make: (options?: {
    readonly user?: string
    readonly env?: Readonly<Record<string, string>>
  }) => Effect.Effect<Sandbox, unknown, Sandboxes | Scope.Scope>
  /** This machine as the sandboxes reach it, where that is not where their network leads out. */
  readonly machine?: string | undefined
  readonly lack: string | undefined
}) => {
  const { make, lack } = needs
  const check = (name: string, body: Parameters<Check<Sandboxes>>[1]) =>
    needs.check(name, body, lack)

  const prepared = (options: Parameters<typeof make>[0] = {}) =>
    Effect.gen(function* () {
      const host = yield* gitHost
      const sandbox = yield* make(options)
      yield* introduce(sandbox, host.ca, needs.machine)
      const project = `${host.url}/private/project.git`
      return { host, sandbox, project }
    })

  const out = (sandbox: Sandbox, command: string) =>
    Effect.map(sandbox.run(command), ({ stdout }) => stdout)

  const tagOf = <A, E extends { readonly _tag: string }, R>(effect: Effect.Effect<A, E, R>) =>
    Effect.map(Effect.flip(effect), (error) => error._tag)

  /** All that is in the working directory, whatever it is called. */
  const left = (sandbox: Sandbox) =>
    Effect.map(sandbox.files.list(".", { depth: 3 }), (entries) => entries.map(({ path }) => path))

  describe("git", () => {
    check("clones with credentials that do not stay behind", () =>
      Effect.gen(function* () {
        const { sandbox, project, host } = yield* prepared()
        // Helpers that keep whatever they are told, for all hosts and for this one.
        yield* sandbox.run(
          `git config --global credential.helper store && git config --global credential.${host.url}.helper 'store --file /tmp/kept'`,
        )
        const cloned = yield* sandbox.git.clone(project, {
          credentials: { ...credentials, password: Redacted.make(password) },
        })
        assert.deepStrictEqual(cloned, {
          path: "/work/project",
          commit: host.commit,
          branch: "main",
        })
        const inside = (command: string) => out(sandbox, `cd project && ${command}`)
        assert.strictEqual(
          yield* inside("cat README.md src/-n .hidden ..odd"),
          "one\ntwo\ndash\ndot\ndots\n",
        )
        assert.strictEqual(yield* inside("git log --format=%s"), "commit 2\ncommit 1\n")
        assert.strictEqual(yield* inside("git status --porcelain"), "")
        assert.strictEqual(yield* inside("git remote get-url origin"), `${project}\n`)
        assert.deepStrictEqual(
          (yield* sandbox.files.list(".")).map(({ name }) => name),
          ["project"],
        )
        /** Files and processes that hold a text, which comes to the search in neither. */
        const places = (text: string) =>
          Effect.map(
            sandbox.run(
              'text=$(cat); cd /; { printf %s "$text" | grep -rlaF -f - . --exclude-dir=proc --exclude-dir=sys --exclude-dir=dev; printf %s "$text" | grep -laF -f - proc/[0-9]*/environ proc/[0-9]*/cmdline; } 2>/dev/null; true',
              { stdin: text },
            ),
            ({ stdout }) => stdout,
          )
        yield* sandbox.run(
          "(A=planted-there sleep 1000) >/dev/null 2>&1 & echo planted-there >/var/tmp/there",
        )
        assert.match(
          yield* places("planted-there"),
          /^\.\/var\/tmp\/there\n(?:proc\/\d+\/environ\n)+/,
        )
        for (const form of [
          core,
          Buffer.from(`${credentials.username}:${password}`).toString("base64"),
        ]) {
          assert.strictEqual(yield* places(form), "")
        }
        // Who asks again is asked again.
        const again = yield* sandbox.exec("cd project && GIT_TERMINAL_PROMPT=0 git fetch")
        assert.strictEqual(again.exitCode, 128)
        assert.match(again.stderr, /could not read Username/)
        const used = host.asked.git.filter(({ authorization }) => authorization !== undefined)
        assert.isNotEmpty(used)
      }),
    )

    check("keeps credentials from all that was planted before they came", () =>
      Effect.gen(function* () {
        const evil = "/tmp/evil"
        const { sandbox, host, project } = yield* prepared({
          env: {
            PATH: `${evil}:/usr/bin:/bin`,
            HOME: "/tmp/home",
            XDG_CONFIG_HOME: "/tmp/xdg",
            GIT_EXEC_PATH: evil,
            GIT_TEMPLATE_DIR: "/tmp/template",
            GIT_SSH_COMMAND: `${evil}/keep`,
            GIT_ASKPASS: `${evil}/keep`,
            GIT_PROXY_COMMAND: `${evil}/keep`,
            GIT_TRACE2_EVENT: "/tmp/loot/event",
            GIT_TRACE2_ENV_VARS: "CORDON_GIT_USERNAME,CORDON_GIT_PASSWORD",
            GIT_TRACE: "/tmp/loot/trace",
            GIT_TRACE_CURL: "/tmp/loot/curl",
            GIT_TRACE_REDACT: "0",
            GIT_CONFIG_COUNT: "1",
            GIT_CONFIG_KEY_0: "credential.helper",
            GIT_CONFIG_VALUE_0: "store --file /tmp/loot/counted",
          },
        })
        // Each keeps all that it can see: its environment, its arguments, and that of what called it.
        const keep = `#!/bin/sh
{ env; cat /proc/[0-9]*/environ /proc/[0-9]*/cmdline; } >>"/tmp/loot/\${0##*/}" 2>/dev/null
exec "/usr/lib/git-core/\${0##*/}" "$@"
`
        yield* sandbox.files.write(`${evil}/keep`, keep, { mode: 0o755 })
        yield* sandbox.run(
          `mkdir -p /tmp/loot /tmp/template/hooks /tmp/home /tmp/xdg/git && cd ${evil}
for name in git-remote-https git-clone git-index-pack git-checkout; do cp keep $name; done
cp keep /tmp/template/hooks/post-checkout; cp keep /tmp/template/hooks/reference-transaction
cp /tmp/template/hooks/* /tmp/home
echo '* filter=keep' | tee /tmp/xdg/git/attributes >/etc/gitattributes
echo 'machine git.test login agent password planted' >/tmp/home/.netrc; cp /tmp/home/.netrc /root
cat >/tmp/planted
for file in /etc/gitconfig /tmp/home/.gitconfig /root/.gitconfig /tmp/xdg/git/config; do
  printf '[include]\n\tpath = /tmp/planted\n' >$file
done
/usr/bin/git init -q / && cat /tmp/planted >>/.git/config`,
          {
            stdin: `[trace2]
\teventTarget = /tmp/loot/configured
\tnormalTarget = /tmp/loot/normal
\tenvVars = CORDON_GIT_USERNAME,CORDON_GIT_PASSWORD
[alias]
\tclone = !env >/tmp/loot/alias
[credential]
\thelper = store --file /tmp/loot/stored
[credential "${host.url}"]
\thelper = "!f() { cat >>/tmp/loot/helped; }; f"
[core]
\thooksPath = /tmp/home
\tfsmonitor = ${evil}/keep
\taskPass = ${evil}/keep
\tsshCommand = ${evil}/keep
[filter "keep"]
\tsmudge = env >>/tmp/loot/smudged
\tclean = cat
[init]
\ttemplateDir = /tmp/template
[url "${host.url.replace("git.test", "other.test")}/"]
\tinsteadOf = ${host.url}/
[http]
\tproxy = http://127.0.0.1:1
\tsslVerify = false
\tcookieFile = /tmp/loot/cookies
\tsaveCookies = true
`,
          },
        )
        const { commit } = yield* sandbox.git.clone(project, { credentials, directory: "/tmp/p" })
        assert.strictEqual(commit, host.commit)
        assert.isEmpty(host.asked.other)
        for (const form of [
          core,
          Buffer.from(`${credentials.username}:${password}`).toString("base64"),
        ]) {
          // The search must not find itself.
          const { stdout } = yield* sandbox.run(
            'export PATH=/usr/bin:/bin; text=$(cat); printf %s "$text" | grep -rlaF -f - /tmp /root /etc /var /.git; true',
            { stdin: form },
          )
          assert.strictEqual(stdout, "")
        }
      }),
    )

    check("takes credentials out of a URL, and gives a public repository without any", () =>
      Effect.gen(function* () {
        const { sandbox, project, host } = yield* prepared()
        const user = encodeURIComponent(credentials.username)
        const inUrl = project.replace("//", `//${user}:${encodeURIComponent(password)}@`)
        const { path } = yield* sandbox.git.clone(inUrl, { directory: "in/url" })
        assert.strictEqual(path, "/work/in/url")
        assert.strictEqual(
          yield* out(sandbox, "git -C in/url remote get-url origin"),
          `${project}\n`,
        )
        assert.strictEqual(
          yield* out(sandbox, `grep -rlF ${core} in /root /tmp 2>/dev/null; true`),
          "",
        )
        host.asked.git.length = 0
        yield* sandbox.git.clone(`${host.url}/public/project.git`)
        assert.strictEqual(yield* sandbox.files.readText("project/open"), "to all\n")
        assert.isTrue(host.asked.git.every(({ authorization }) => authorization === undefined))
      }),
    )

    check("gives a branch, a tag, a depth, and an empty folder's place", () =>
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

    check(
      "refuses what is no repository's URL, no name of a branch, and credentials in the open",
      () =>
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

    check("says why it could not, and leaves nothing of it", () =>
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

    check("leaves nothing where it is interrupted, nor a process", () =>
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

    check("gives credentials to the host that they are for, and to no other", () =>
      Effect.gen(function* () {
        const { sandbox, host } = yield* prepared()
        const clone = (name: string, submodules: boolean) =>
          sandbox.git.clone(`${host.url}/private/${name}.git`, { credentials, submodules })
        // Without: nobody else is asked at all.
        yield* clone("far", false)
        assert.isEmpty(host.asked.other)
        yield* sandbox.files.remove("far", { recursive: true })
        // The other host would let them in.
        for (const name of ["moved", "far"]) {
          const error = yield* Effect.flip(clone(name, true))
          assert(error._tag === "GitAuthFailed", error.message)
          // Git tells of a submodule's own host, and not where it was led to.
          assert.strictEqual(error.url.startsWith("https://other.test:"), name === "far")
          assert.strictEqual(error.given, name !== "far")
          assert.isNotEmpty(host.asked.other)
          assert.isTrue(host.asked.other.every(({ authorization }) => authorization === undefined))
          host.asked.other.length = 0
        }
        // A command in a submodule's place.
        assert.strictEqual(yield* tagOf(clone("command", true)), "CloneFailed")
        assert.isFalse(yield* sandbox.files.exists("/tmp/ran"))
        assert.deepStrictEqual(yield* left(sandbox), [])
        yield* clone("near", true)
        assert.strictEqual(yield* sandbox.files.readText("near/lib/README.md"), "one\ntwo\n")
        assert.strictEqual(
          yield* out(
            sandbox,
            "git -C near submodule status | cut -c 1; git -C near status --porcelain",
          ),
          " \n",
        )
      }),
    )

    check("works for another user than root, where that one may write", () =>
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
  })
}
