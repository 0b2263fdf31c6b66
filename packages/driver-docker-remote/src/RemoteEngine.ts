import { EngineUnreachable } from "@cordon/core"
import type { DockerEngine, Filters } from "@cordon/driver-docker"
import {
  bounded,
  execConnection,
  execSpec,
  messages,
  orMissing,
  pathStatHeader,
  readPathStat,
  schemas,
} from "@cordon/driver-docker/engine"
import { Effect, Schema } from "effect"
import type { EngineCall, EngineHttp } from "./http/EngineHttp.ts"
import { reasonOf } from "./http/failures.ts"

const of = (id: string) => encodeURIComponent(id)
const filtered = (filters: Filters) => ({ filters: JSON.stringify(filters) })

/** A connection that a call takes over. */
const takenOver = (http: EngineHttp, call: EngineCall) =>
  Effect.map(http.upgrade(call), (socket) =>
    execConnection(
      socket,
      (cause) => new EngineUnreachable({ endpoint: http.endpoint, reason: reasonOf(cause) }),
    ),
  )

/** The port over HTTP: which calls of the Engine API, and which of them may be sent again. */
export const remoteEngine = (http: EngineHttp): DockerEngine["Service"] => bounded(callsOver(http))

const callsOver = (http: EngineHttp): DockerEngine["Service"] => ({
  endpoint: http.endpoint,
  version: http.ask(
    { operation: "read the engine's version", method: "GET", path: "/version" },
    schemas.EngineVersion,
  ),
  info: http.ask(
    { operation: "read the engine's capabilities", method: "GET", path: "/info" },
    schemas.EngineInfo,
  ),
  imageInspect: (image) =>
    http.ask(
      { operation: "inspect an image", method: "GET", path: `/images/${of(image)}/json` },
      schemas.ImageInspect,
    ),
  imageList: (filters) =>
    http.ask(
      { operation: "list images", method: "GET", path: "/images/json", query: filtered(filters) },
      Schema.Array(schemas.ImageSummary),
    ),
  imageRemove: (image) =>
    http.run({ operation: "remove an image", method: "DELETE", path: `/images/${of(image)}` }),
  imagePull: (image, registryAuth) => {
    const operation = "pull an image"
    const call = {
      operation,
      method: "POST",
      path: "/images/create",
      query: { fromImage: image },
      registryAuth,
    } as const
    return messages(http.stream(call, "bounded"), operation, schemas.PullMessage)
  },
  networkCreate: (spec) =>
    Effect.map(
      http.ask(
        { operation: "create a network", method: "POST", path: "/networks/create", body: spec },
        schemas.Created,
      ),
      ({ Id }) => Id,
    ),
  networkList: (filters = {}) =>
    http.ask(
      { operation: "list networks", method: "GET", path: "/networks", query: filtered(filters) },
      Schema.Array(schemas.NetworkSummary),
    ),
  networkConnect: (network, container, address) =>
    http.run({
      operation: "connect a network",
      method: "POST",
      path: `/networks/${of(network)}/connect`,
      body: {
        Container: container,
        ...(address === undefined
          ? {}
          : { EndpointConfig: { IPAMConfig: { IPv4Address: address } } }),
      },
    }),
  networkRemove: (id) =>
    http.run({ operation: "remove a network", method: "DELETE", path: `/networks/${of(id)}` }),
  containerCreate: (name, spec) =>
    Effect.map(
      http.ask(
        {
          operation: "create a container",
          method: "POST",
          path: "/containers/create",
          query: { name },
          body: spec,
        },
        schemas.Created,
      ),
      ({ Id }) => Id,
    ),
  containerRename: (name, newName) =>
    http.run({
      operation: "rename a container",
      method: "POST",
      path: `/containers/${of(name)}/rename`,
      query: { name: newName },
    }),
  containerInspect: (id) =>
    http.ask(
      { operation: "inspect a container", method: "GET", path: `/containers/${of(id)}/json` },
      schemas.ContainerInspect,
    ),
  containerList: (filters) =>
    http.ask(
      {
        operation: "list containers",
        method: "GET",
        path: "/containers/json",
        query: { all: "true", ...filtered(filters) },
      },
      Schema.Array(schemas.ContainerSummary),
    ),
  containerLogs: (id) =>
    http.stream(
      {
        operation: "read a container's log",
        method: "GET",
        path: `/containers/${of(id)}/logs`,
        query: { stdout: "true" },
      },
      "bounded",
    ),
  containerPathStat: (id, path) => {
    const operation = "look into a container"
    return http
      .head({ operation, method: "HEAD", path: `/containers/${of(id)}/archive`, query: { path } })
      .pipe(
        Effect.flatMap((headers) => readPathStat(operation, headers[pathStatHeader])),
        orMissing,
      )
  },
  containerPutArchive: (id, path, archive) =>
    http.run({
      operation: "put files into a container",
      method: "PUT",
      path: `/containers/${of(id)}/archive`,
      query: { path },
      body: archive,
    }),
  containerAttach: (id) =>
    takenOver(http, {
      operation: "attach to a container",
      method: "POST",
      path: `/containers/${of(id)}/attach`,
      query: { stream: "1", stdin: "1", stdout: "1", stderr: "1" },
    }),
  // Started or stopped already is "not modified": both may be sent again, as a kill may.
  containerStart: (id) =>
    http.run({
      operation: "start a container",
      method: "POST",
      path: `/containers/${of(id)}/start`,
      idempotent: true,
    }),
  containerStop: (id) =>
    http.run({
      operation: "stop a container",
      method: "POST",
      path: `/containers/${of(id)}/stop`,
      idempotent: true,
    }),
  containerKill: (id) =>
    http.run({
      operation: "kill a container",
      method: "POST",
      path: `/containers/${of(id)}/kill`,
      idempotent: true,
      wasDone: 409,
    }),
  containerCommit: (container, { environment, ...image }) =>
    http.run({
      operation: "snapshot a container",
      method: "POST",
      path: "/commit",
      query: { container, ...image },
      // Podman wants one.
      body: environment === undefined ? {} : { Env: environment },
    }),
  containerPause: (id) =>
    http.run({
      operation: "pause a container",
      method: "POST",
      path: `/containers/${of(id)}/pause`,
    }),
  containerUnpause: (id) =>
    http.run({
      operation: "resume a container",
      method: "POST",
      path: `/containers/${of(id)}/unpause`,
    }),
  containerRemove: (id) =>
    http.run({
      operation: "remove a container",
      method: "DELETE",
      path: `/containers/${of(id)}`,
      query: { force: "true", v: "true" },
    }),
  execCreate: (container, command) =>
    Effect.map(
      http.ask(
        {
          operation: "prepare a command",
          method: "POST",
          path: `/containers/${of(container)}/exec`,
          body: execSpec(command),
          // An exec that is never started does nothing.
          idempotent: true,
        },
        schemas.Created,
      ),
      ({ Id }) => Id,
    ),
  execStart: (id) =>
    takenOver(http, {
      operation: "start a command",
      method: "POST",
      path: `/exec/${of(id)}/start`,
      body: { Detach: false, Tty: false },
    }),
  events: (filters) => {
    const operation = "watch events"
    const call = { operation, method: "GET", path: "/events", query: filtered(filters) } as const
    return messages(http.stream(call, "unbounded"), operation, schemas.EngineEvent)
  },
})
