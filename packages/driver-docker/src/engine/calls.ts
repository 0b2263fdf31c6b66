/** The calls of the `DockerEngine` port, written once for all transports. */
import { Effect, Schema } from "effect"
import type { DockerEngine, Filters } from "../DockerEngine.ts"
import { bounded } from "./bounded.ts"
import type { EngineClient } from "./EngineClient.ts"
import { execSpec } from "./execSpec.ts"
import { messages } from "./jsonLines.ts"
import { orMissing, pathStatHeader, readPathStat } from "./pathStat.ts"
import * as schemas from "./schemas.ts"

const of = (id: string) => encodeURIComponent(id)
const filtered = (filters: Filters) => ({ filters: JSON.stringify(filters) })

/** The port over a transport. Each call is bounded in time. */
export const dockerEngine = (client: EngineClient): DockerEngine["Service"] =>
  bounded(callsOver(client))

const callsOver = (client: EngineClient): DockerEngine["Service"] => ({
  endpoint: client.endpoint,
  version: client.ask(
    { operation: "read the engine's version", method: "GET", path: "/version" },
    schemas.EngineVersion,
  ),
  info: client.ask(
    { operation: "read the engine's capabilities", method: "GET", path: "/info" },
    schemas.EngineInfo,
  ),
  imageInspect: (image) =>
    client.ask(
      { operation: "inspect an image", method: "GET", path: `/images/${of(image)}/json` },
      schemas.ImageInspect,
    ),
  imageList: (filters) =>
    client.ask(
      { operation: "list images", method: "GET", path: "/images/json", query: filtered(filters) },
      Schema.Array(schemas.ImageSummary),
    ),
  imageRemove: (image) =>
    client.run({ operation: "remove an image", method: "DELETE", path: `/images/${of(image)}` }),
  imagePull: (image, registryAuth) => {
    const operation = "pull an image"
    const call = {
      operation,
      method: "POST",
      path: "/images/create",
      query: { fromImage: image },
      registryAuth,
    } as const
    return messages(client.stream(call, "bounded"), operation, schemas.PullMessage)
  },
  networkCreate: (spec) =>
    Effect.map(
      client.ask(
        { operation: "create a network", method: "POST", path: "/networks/create", body: spec },
        schemas.Created,
      ),
      ({ Id }) => Id,
    ),
  networkList: (filters = {}) =>
    client.ask(
      { operation: "list networks", method: "GET", path: "/networks", query: filtered(filters) },
      Schema.Array(schemas.NetworkSummary),
    ),
  networkConnect: (network, container, address) =>
    client.run({
      operation: "connect a network",
      method: "POST",
      path: `/networks/${of(network)}/connect`,
      body: {
        Container: container,
        EndpointConfig:
          address === undefined ? undefined : { IPAMConfig: { IPv4Address: address } },
      },
    }),
  networkRemove: (id) =>
    client.run({ operation: "remove a network", method: "DELETE", path: `/networks/${of(id)}` }),
  containerCreate: (name, spec) =>
    Effect.map(
      client.ask(
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
    client.run({
      operation: "rename a container",
      method: "POST",
      path: `/containers/${of(name)}/rename`,
      query: { name: newName },
    }),
  containerInspect: (id) =>
    client.ask(
      { operation: "inspect a container", method: "GET", path: `/containers/${of(id)}/json` },
      schemas.ContainerInspect,
    ),
  containerList: (filters) =>
    client.ask(
      {
        operation: "list containers",
        method: "GET",
        path: "/containers/json",
        query: { all: "true", ...filtered(filters) },
      },
      Schema.Array(schemas.ContainerSummary),
    ),
  containerLogs: (id) =>
    client.stream(
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
    return client
      .head({ operation, method: "HEAD", path: `/containers/${of(id)}/archive`, query: { path } })
      .pipe(
        Effect.flatMap((headers) => readPathStat(operation, headers[pathStatHeader])),
        orMissing,
      )
  },
  containerPutArchive: (id, path, archive) =>
    client.run({
      operation: "put files into a container",
      method: "PUT",
      path: `/containers/${of(id)}/archive`,
      query: { path },
      body: archive,
    }),
  containerAttach: (id) =>
    client.upgrade({
      operation: "attach to a container",
      method: "POST",
      path: `/containers/${of(id)}/attach`,
      query: { stream: "1", stdin: "1", stdout: "1", stderr: "1" },
    }),
  // A start, a stop and a kill may be sent again: the engine then answers that it was already done.
  containerStart: (id) =>
    client.run({
      operation: "start a container",
      method: "POST",
      path: `/containers/${of(id)}/start`,
      idempotent: true,
      wasDone: "NotModified",
    }),
  containerStop: (id) =>
    client.run({
      operation: "stop a container",
      method: "POST",
      path: `/containers/${of(id)}/stop`,
      idempotent: true,
      wasDone: "NotModified",
    }),
  containerKill: (id) =>
    client.run({
      operation: "kill a container",
      method: "POST",
      path: `/containers/${of(id)}/kill`,
      idempotent: true,
      wasDone: "NotRunning",
    }),
  containerCommit: (container, { environment, ...image }) =>
    client.run({
      operation: "snapshot a container",
      method: "POST",
      path: "/commit",
      query: { container, ...image },
      // Podman requires a body.
      body: { Env: environment },
    }),
  containerPause: (id) =>
    client.run({
      operation: "pause a container",
      method: "POST",
      path: `/containers/${of(id)}/pause`,
    }),
  containerUnpause: (id) =>
    client.run({
      operation: "resume a container",
      method: "POST",
      path: `/containers/${of(id)}/unpause`,
    }),
  containerRemove: (id) =>
    client.run({
      operation: "remove a container",
      method: "DELETE",
      path: `/containers/${of(id)}`,
      query: { force: "true", v: "true" },
    }),
  execCreate: (container, command) =>
    Effect.map(
      client.ask(
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
    client.upgrade({
      operation: "start a command",
      method: "POST",
      path: `/exec/${of(id)}/start`,
      body: { Detach: false, Tty: false },
    }),
  events: (filters) => {
    const operation = "watch events"
    const call = { operation, method: "GET", path: "/events", query: filtered(filters) } as const
    return messages(client.stream(call, "unbounded"), operation, schemas.EngineEvent)
  },
})
