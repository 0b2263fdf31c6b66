import { assert, describe } from "@effect/vitest"
import { Effect, Redacted } from "effect"
import { tagOf } from "../../support/effects.ts"
import { core, credentials, password } from "../../support/gitHost.ts"
import { out } from "../../support/sandbox.ts"
import { type GitStage, gitStage, left } from "./gitStage.ts"

/** The credentials of a clone, and what tries to keep them. */
export const gitCredentialsContract = (stage: GitStage) => {
  const { check, prepared } = gitStage(stage)

  describe("git credentials", () => {
    check("clone leaves its credentials in no file and no process", () =>
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

    check("clone keeps credentials from hooks, helpers and settings that were planted", () =>
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

    check("clone takes credentials out of the URL, and needs none for a public repository", () =>
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

    check("credentials go to the host that they are for, and to no submodule's host", () =>
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
  })
}
