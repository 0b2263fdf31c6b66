import {
  type Abortable,
  type CordonError,
  type CreateSandboxesOptions,
  createSandboxesFields,
  type EgressPolicy,
  type EgressRules,
  type LimitsInput,
  type NetworkMode,
  optionNames,
  optionsOf,
  type PullProgress,
  type RegistryCredentialsInput,
  type RuntimeChoice,
  type SandboxDriver,
  type Secrets,
} from "@cordon/core"
import { type Layer, Schema } from "effect"

/**
 * The operator's settings: all options of `createSandboxes` (defaults, ceilings, timeouts, quotas,
 * session storage, the lease store, the log) except those that `SandboxPlace` has itself.
 * `createSandboxes` documents their defaults and environment variables.
 */
export type SandboxSettings = Omit<CreateSandboxesOptions, "driver" | "sessionId" | "removeOnClose">

/** The engine and the session of a sandbox. */
export interface SandboxPlace extends Abortable {
  /**
   * The driver: `docker({ ... })`, `memory()` or any other. Default: the engine that `cordon
   * doctor` finds, from `CONTAINER_SANDBOX_DOCKER_HOST`, `DOCKER_HOST`, the current docker context,
   * then the well-known sockets; also over `tcp://`, `https://` and `ssh://`.
   *
   * Calls with the same driver (the same value, not an equal one) and equal settings share its
   * connection, from the first sandbox until the program has released the last. For a warm pool use
   * `createSandboxes`, which keeps the pool.
   *
   * @example
   * import { docker, Sandbox } from "cordon"
   *
   * const driver = docker({ host: "unix:///run/user/1000/docker.sock" })
   * await using box = await Sandbox.create({ driver })
   */
  readonly driver?: Layer.Layer<SandboxDriver, CordonError> | undefined
  /**
   * The session that owns the sandboxes: text of 1 to 256 characters. Other sessions can't see
   * them. Default: a session of this process that nobody can guess. Give a name to find sandboxes
   * again from another process. Never take the name from somebody who must not access the
   * sandboxes.
   *
   * @example
   * const boxes = await Sandbox.list({ session: "nightly-tests" })
   */
  readonly session?: string | undefined
  /**
   * Settings of this call, which override the environment. Image, runtime, network and limits are
   * also the ceilings of a creation, unless `allow` permits more.
   *
   * @example
   * const settings = { idleTimeout: "1 hour", removeTimeout: "1 day", allow: { limits: { memory: "8GiB" } } } as const
   * await using box = await Sandbox.create({ settings, limits: { memory: "8GiB" } })
   */
  readonly settings?: SandboxSettings | undefined
}

/** Options of a new sandbox. Every option has a default. */
export interface CreateOptions extends SandboxPlace {
  /** The name: 1 to 38 lower-case letters, digits and dashes, unique in its session. Default: random. */
  readonly name?: string | undefined
  /** An OCI image with `sh`: `python:3.13`, `ghcr.io/acme/box@sha256:...`. Default: `ubuntu:24.04`. */
  readonly image?: string | undefined
  /** The name of a snapshot of the same session, in place of an image. */
  readonly snapshot?: string | undefined
  /** `runc` (the default), `sysbox-runc`, `kata`, `gvisor`, or the `strongest` that the host has. */
  readonly runtime?: RuntimeChoice | undefined
  /** `memory` (bytes, or `"512MiB"`; 2 GiB by default), `cpus` (1 core), `pids` (256), `disk` (not limited). */
  readonly limits?: LimitsInput | undefined
  /** `bridge` (the default: its own network with outside access), `internal` (no outside access) or `none`. */
  readonly network?: NetworkMode | undefined
  /**
   * The allowed destinations; all others are refused. Default: everything is allowed. Either a list
   * of destinations, which the engine enforces, or rules for each destination, optionally with keys
   * that never enter the sandbox. With rules, the sandbox's connections go through this program for
   * as long as it runs.
   */
  readonly egress?: EgressPolicy | EgressRules | undefined
  /**
   * Environment variables of all its processes. They are part of the container's configuration.
   * Default: none.
   */
  readonly env?: Readonly<Record<string, string>> | undefined
  /**
   * The absolute path in which commands run and at which relative paths start. Default: the image's
   * working directory, else `/workspace` (`/tmp` for a user other than root).
   */
  readonly workdir?: string | undefined
  /** The user of commands: `1000`, `node`, `1000:1000`. Default: the image's user. */
  readonly user?: string | undefined
  /** Labels of your own, up to 32, which `list` returns. Default: none. */
  readonly tags?: Readonly<Record<string, string>> | undefined
  /**
   * Variables that only this program's commands get. No engine, log or snapshot contains them.
   * Default: none.
   */
  readonly secrets?: Secrets | undefined
  /**
   * Registry credentials for the image of this sandbox, by registry. Default: those of the
   * settings, then Docker's.
   */
  readonly registryCredentials?: RegistryCredentialsInput | undefined
  /** Called with the progress of the image's download; sizes are in bytes. */
  readonly onProgress?: ((progress: PullProgress) => void) | undefined
}

/** Options for finding an existing sandbox. */
export interface ConnectOptions extends SandboxPlace {
  /**
   * Variables that only this program's commands get. The sandbox does not store them: each program
   * passes its own.
   */
  readonly secrets?: Secrets | undefined
  /**
   * The sandbox's egress rules. From now on its connections go through this program, and end when
   * this program ends.
   */
  readonly egress?: EgressRules | undefined
}

/**
 * The address of a sandbox, for every process that can connect to its engine. The session grants
 * access: give the address only to those who may use the session's sandboxes.
 */
export interface SandboxAddress {
  /** The session's ID. */
  readonly session: string
  /** The sandbox's name. */
  readonly name: string
}

const { driver, sessionId: session, removeOnClose: _, ...settings } = createSandboxesFields

/** Validated by the call of core that gets it. */
const place = { signal: true, driver, session, settings: optionsOf(settings) } as const

const connect = { ...place, secrets: true, egress: true } as const

const getOrCreate = {
  ...connect,
  image: true,
  snapshot: true,
  runtime: true,
  limits: true,
  network: true,
  env: true,
  workdir: true,
  user: true,
  tags: true,
  registryCredentials: true,
  onProgress: true,
} as const

/** The schemas of the calls' options, for programs without type checks. */
export const shapes = {
  create: optionNames<CreateOptions>({ ...getOrCreate, name: true }),
  connect: optionNames<ConnectOptions>(connect),
  getOrCreate: optionNames<Omit<CreateOptions, "name">>(getOrCreate),
  list: optionNames<SandboxPlace>(place),
  reference: Schema.Union([
    Schema.String,
    Schema.Struct({ session: Schema.String, name: Schema.String }),
  ]).annotate({ expected: "a name, an ID or an address" }),
  name: Schema.String,
}
