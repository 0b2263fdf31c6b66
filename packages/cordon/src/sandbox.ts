import {
  type Abortable,
  checkInput,
  type ForkOptions,
  InvalidInput,
  isEgressRules,
  type PromiseSandbox,
  type SandboxInfo,
} from "@cordon/core"
import { boxIn } from "./box.ts"
import { called } from "./called.ts"
import { find, findOr } from "./find.ts"
import { hold } from "./hold.ts"
import {
  type ConnectOptions,
  type CreateOptions,
  type SandboxAddress,
  type SandboxPlace,
  shapes,
} from "./options.ts"

/**
 * A sandbox. It has all members of a sandbox of `createSandboxes` (commands, files, processes,
 * ports, terminals, snapshots), and a lifetime for programs that use only this import.
 *
 * The end of an `await using` block removes the sandbox if `Sandbox.create` or `fork` made it. A
 * sandbox from `Sandbox.connect` or `Sandbox.getOrCreate` stays, and the program only releases it.
 * In both cases the lease ends an unused sandbox: it is stopped after `idleTimeout` (default: 10
 * minutes) and removed after `removeTimeout` (default: 20 minutes).
 */
export interface Sandbox extends PromiseSandbox {
  /**
   * The argument of `Sandbox.connect` in any process that can connect to the same engine.
   *
   * @example
   * const box = await Sandbox.create()
   * const text = JSON.stringify(box.address)
   * // In another process:
   * await using same = await Sandbox.connect(JSON.parse(text))
   */
  readonly address: SandboxAddress
  /**
   * Removes the sandbox with its files and releases it, no matter who made it. No effect if it is
   * gone already. Rejects with `Closed` if the program has released it before, and with
   * `EngineUnreachable` if no engine answers; the lease then removes the sandbox later.
   *
   * @example
   * const box = await Sandbox.connect({ session: "nightly-tests", name: "web" })
   * await box.kill()
   */
  readonly kill: (options?: Abortable) => Promise<void>
  /**
   * Makes another sandbox of the session with the same files, environment, limits, runtime,
   * network, allow-list and secrets. The end of its block removes it. Rejects with `Unsupported` if
   * the driver has no `snapshots`.
   *
   * @example
   * await using attempt = await box.fork({ name: "attempt-1" })
   */
  readonly fork: (options?: ForkOptions & Abortable) => Promise<Sandbox>
}

/** The options of the sandbox itself, without those of its place. */
const creationOf = ({ driver: _, session: __, settings: ___, ...creation }: CreateOptions) =>
  creation

/**
 * Container sandboxes from one import. A server with many users should use `createSandboxes`
 * instead, and open a session for each user, which it can close separately.
 *
 * @example
 * import { Sandbox } from "cordon"
 *
 * await using box = await Sandbox.create()
 * const { stdout } = await box.run("echo hello")
 */
export const Sandbox = {
  /**
   * Makes a sandbox and starts it. The end of its `await using` block removes it.
   *
   * Rejects with `SandboxNameTaken` if its session has a sandbox of that name, `NotAllowed` if the
   * settings do not allow an option, `EngineUnreachable` if there is no engine, `ImagePullFailed`,
   * `ImageNotFound`, `QuotaExceeded`, and `InvalidInput` for an invalid option.
   *
   * @example
   * await using box = await Sandbox.create({ image: "python:3.13", limits: { memory: "512MiB" } })
   * const { stdout } = await box.run("python -c 'print(6 * 7)'", { timeout: "10 seconds" })
   */
  create: (options: CreateOptions = {}): Promise<Sandbox> =>
    called(async () => {
      checkInput("options of Sandbox.create", shapes.create, options)
      return boxIn(await hold(options), "remove", (session) => session.create(creationOf(options)))
    }),

  /**
   * Finds a sandbox by its address (`box.address`), or by its name or ID within the session in the
   * options. A stopped sandbox is started, and a paused one is resumed. The end of its block leaves
   * it as it is.
   *
   * An ID contains only a part of its session's hash, and gives no access to the session: without
   * the session, only the process that made the sandbox finds it.
   *
   * Rejects with `SandboxNotFound` if the session has no such sandbox, and like `create` without an
   * engine.
   *
   * @example
   * await using box = await Sandbox.connect({ session: "nightly-tests", name: "web" })
   * await box.run("npm test")
   */
  connect: (reference: string | SandboxAddress, options: ConnectOptions = {}): Promise<Sandbox> =>
    called(async () => {
      checkInput("reference of Sandbox.connect", shapes.reference, reference)
      checkInput("options of Sandbox.connect", shapes.connect, options)
      const { name, ...given } = typeof reference === "string" ? { name: reference } : reference
      if ("session" in given && (options.session ?? given.session) !== given.session) {
        throw new InvalidInput({
          subject: "options of Sandbox.connect",
          issue:
            "the address and the option session name different sessions; leave one of them out",
        })
      }
      const place = { ...options, ...given }
      return boxIn(await hold(place), "keep", (session) => find(session, name, place))
    }),

  /**
   * Finds the sandbox with this name, as `connect` does, or makes it. Two simultaneous calls get
   * the same one. The end of its block leaves it as it is: `kill` removes it, or its lease after
   * nobody uses it any more.
   *
   * The options apply only to a new sandbox; an existing one stays unchanged. Rejects like
   * `create`.
   *
   * @example
   * await using box = await Sandbox.getOrCreate("web", { session: "nightly-tests", image: "node:24" })
   * await box.run("test -d app || git clone https://github.com/acme/app")
   */
  getOrCreate: (name: string, options: Omit<CreateOptions, "name"> = {}): Promise<Sandbox> =>
    called(async () => {
      checkInput("name of Sandbox.getOrCreate", shapes.name, name)
      checkInput("options of Sandbox.getOrCreate", shapes.getOrCreate, options)
      const { egress, ...others } = options
      // For an existing sandbox the engine has the list of destinations, but this program must set
      // rules again.
      const found = egress && isEgressRules(egress) ? { ...others, egress } : others
      return boxIn(await hold(options), "keep", (session) =>
        findOr(session, name, found, () => session.create({ ...creationOf(options), name })),
      )
    }),

  /**
   * The current sandboxes of a session, oldest first. Default: this process's session. Rejects with
   * `EngineUnreachable` if there is no engine.
   *
   * @example
   * for (const { name, status } of await Sandbox.list({ session: "nightly-tests" })) console.log(name, status)
   */
  list: (options: SandboxPlace = {}): Promise<ReadonlyArray<SandboxInfo>> =>
    called(async () => {
      checkInput("options of Sandbox.list", shapes.list, options)
      const { signal } = options
      const { session, release } = await hold(options)
      return await session.list({ signal }).finally(release)
    }),
}
