/** The rules for names of containers and networks. The name alone tells who owns each one. */
import { randomBytes } from "node:crypto"
import { SandboxId, SandboxName, SessionKey, sandboxId } from "@cordon/core"
import { Option, Schema } from "effect"

/**
 * The name of a sandbox's container: the ID, a dot, and the rest of the session's key, of which the
 * ID has only the first 16 digits. So the name tells the full owner. A container's name is its only
 * part that can be changed later: a container of the warm pool gets its owner by a rename.
 *
 * @param instead the ID of a container that has the name and can't be ended. The new name contains
 * this ID, so that only one replacement can be made
 */
export const containerName = (id: SandboxId, session: SessionKey, instead?: string): string => {
  const name = `${id}.${Buffer.from(session.slice(16), "hex").toString("base64url")}`
  return instead === undefined ? name : `${name}.${instead.slice(0, 12)}`
}

/** The engine's filter by name for the containers of an ID. */
export const nameFilter = (id: SandboxId): string => `^/?${id}\\.`
/** The engine's filter by name for the containers of a session, and of others whose keys begin alike. */
export const sessionFilter = (session: SessionKey): string => `^/?cordon-${session.slice(0, 16)}-`

const isSessionKey = Schema.is(SessionKey)
const isSandboxName = Schema.is(SandboxName)

/** The sandbox whose container has this name. */
export const ownerOf = (name: string) => {
  const match = /^\/?cordon-([0-9a-f]{16})-([a-z0-9-]+)\.([\w-]{32})(?:\.[0-9a-f]{12})?$/.exec(name)
  if (match === null) return Option.none()
  const [, head = "", sandbox = "", rest = ""] = match
  const session = head + Buffer.from(rest, "base64url").toString("hex")
  return isSessionKey(session) && isSandboxName(sandbox)
    ? Option.some({ id: sandboxId(session, sandbox), name: sandbox, session })
    : Option.none()
}

/** The ID in messages about a container that waits in the warm pool. */
export const nobody = SandboxId.make("cordon-0000000000000000-ahead")

/**
 * The name of a container that waits in the warm pool. It holds the time of the program's last
 * renewal, so that every program can recognise what a dead program left.
 *
 * @param now milliseconds since the epoch
 */
export const nameAhead = (now: number): string =>
  `cordon-ahead-${now.toString(36)}-${randomBytes(8).toString("hex")}`

/**
 * The time in the name of a container of the warm pool, in milliseconds since the epoch; none for
 * other containers.
 */
export const aheadSince = (name: string): Option.Option<number> => {
  const [, time] = /^\/?cordon-ahead-([0-9a-z]{1,10})-[0-9a-f]{16}$/.exec(name) ?? []
  return Option.map(Option.fromUndefinedOr(time), (time) => Number.parseInt(time, 36))
}

/**
 * A unique network name that is never reused. The container refers to its network by name, so that
 * both can be made at once, and a network that is being removed blocks nothing.
 */
export const networkName = (): string => `cordon-net-${randomBytes(12).toString("hex")}`

/** Whether a network is a sandbox's own. */
export const isNetworkName = (name: string | null | undefined): name is string =>
  name != null && /^cordon-net-[0-9a-f]{24}$/.test(name)

/** The name of the proxy's container on a network. */
export const proxyName = (network: string): string => `${network}.egress`

/** The network whose proxy has this name. */
export const networkOfProxy = (container: string): string | undefined =>
  /^\/?(cordon-net-[0-9a-f]{24})\.egress$/.exec(container)?.[1]
