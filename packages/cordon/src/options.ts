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
 * What the operator of the program sets: all that `createSandboxes` takes (defaults, ceilings, timeouts, quotas,
 * session storage, the lease store, the log), but for what stands beside it here. Each has its default there and
 * a variable of the environment.
 */
export type SandboxSettings = Omit<CreateSandboxesOptions, "driver" | "sessionId" | "removeOnClose">

/** Where a sandbox is, and whose it is. */
export interface SandboxPlace extends Abortable {
  /**
   * What sandboxes run on: `docker({ ... })`, `memory()` or any other driver. By default the engine that `cordon doctor`
   * finds: `CONTAINER_SANDBOX_DOCKER_HOST`, `DOCKER_HOST`, the current docker context, then the well-known sockets;
   * also over `tcp://`, `https://` and `ssh://`.
   *
   * Calls that give the same driver (the same value, not one that was made anew) and equal settings share its connection,
   * from the first sandbox until the program has let go of the last. With a warm pool use `createSandboxes`, which keeps it.
   *
   * @example
   * const driver = docker({ host: "unix:///run/user/1000/docker.sock" })
   * await using box = await Sandbox.create({ driver })
   */
  readonly driver?: Layer.Layer<SandboxDriver, CordonError> | undefined
  /**
   * Whose sandboxes: text of 1 to 256 characters. To every other session they do not exist. By default one of this
   * process's own, which nobody can guess; give a name to find sandboxes again from another process. Never take it from
   * somebody who must not reach what is in it.
   *
   * @example
   * const boxes = await Sandbox.list({ session: "nightly-tests" })
   */
  readonly session?: string | undefined
  /**
   * What holds for this call beyond the environment; image, runtime, network and limits are also the most that
   * a creation gets, unless `allow` says more.
   *
   * @example
   * const settings = { idleTimeout: "1 hour", removeTimeout: "1 day", allow: { limits: { memory: "8GiB" } } } as const
   * await using box = await Sandbox.create({ settings, limits: { memory: "8GiB" } })
   */
  readonly settings?: SandboxSettings | undefined
}

/** What a sandbox is made as; every part has a default. */
export interface CreateOptions extends SandboxPlace {
  /** 1 to 38 lower-case letters, digits and dashes, one per session; random by default. */
  readonly name?: string | undefined
  /** An OCI image: `python:3.13`, `ghcr.io/acme/box@sha256:...`; `ubuntu:24.04` by default. It needs `sh`. */
  readonly image?: string | undefined
  /** The name of a snapshot of the same session, in place of an image. */
  readonly snapshot?: string | undefined
  /** `runc` (the default), `sysbox-runc`, `kata`, `gvisor`, or the `strongest` that the host has. */
  readonly runtime?: RuntimeChoice | undefined
  /** `memory` (bytes, or `"512MiB"`; 2 GiB by default), `cpus` (1 core), `pids` (256), `disk` (not limited). */
  readonly limits?: LimitsInput | undefined
  /** `bridge` (its own network with a way out, the default), `internal` (no way out) or `none`. */
  readonly network?: NetworkMode | undefined
  /**
   * Where it may go, all else being refused; anywhere by default. A list of destinations, which the engine holds it to, or
   * rules for each with keys that it never holds: this program is its way out then, for as long as it runs.
   */
  readonly egress?: EgressPolicy | EgressRules | undefined
  /** Environment variables of all its processes; they stand in the container's configuration. None by default. */
  readonly env?: Readonly<Record<string, string>> | undefined
  /** The absolute path where commands run and relative paths start; the image's by default, else `/workspace` (`/tmp` for a user who is not root). */
  readonly workdir?: string | undefined
  /** Whom commands run as: `1000`, `node`, `1000:1000`; the image's user by default. */
  readonly user?: string | undefined
  /** Labels of your own, up to 32; `list` tells them. None by default. */
  readonly tags?: Readonly<Record<string, string>> | undefined
  /** Variables that only this program's commands see; no engine, log or snapshot has them. None by default. */
  readonly secrets?: Secrets | undefined
  /** Credentials by registry for the image of this one sandbox; by default those of the settings, then Docker's. */
  readonly registryCredentials?: RegistryCredentialsInput | undefined
  /** Told of the image's download; sizes are in bytes. */
  readonly onProgress?: ((progress: PullProgress) => void) | undefined
}

/** How an existing sandbox is found. */
export interface ConnectOptions extends SandboxPlace {
  /** Variables that only this program's commands see. The sandbox keeps none: each program gives its own. */
  readonly secrets?: Secrets | undefined
  /** The rules of its way out, which this program is from now on. A program that ended is no way out any more. */
  readonly egress?: EgressRules | undefined
}

/**
 * Where a sandbox is found from any process that reaches its engine. The session is what opens it: hand this
 * only to whom may use the session's sandboxes.
 */
export interface SandboxAddress {
  /** The session's ID. */
  readonly session: string
  /** The sandbox's name. */
  readonly name: string
}

const { driver, sessionId: session, removeOnClose: _, ...settings } = createSandboxesFields

/** Looked at by the call of core that it is handed on to. */
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

/** What the calls take, for programs that no compiler has checked. */
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
