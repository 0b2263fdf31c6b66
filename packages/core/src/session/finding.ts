/** Finds sandboxes of a session by what they are, a page at a time. */
import { Schema } from "effect"
import { type SandboxInfo, SandboxStatus } from "../values/Sandbox.ts"
import { hasTags, Tags } from "../values/Tags.ts"

const Filter = Schema.Struct({
  tags: Schema.optional(Tags),
  status: Schema.optional(Schema.Union([SandboxStatus, Schema.Array(SandboxStatus)])),
  limit: Schema.optional(
    Schema.Int.pipe(Schema.check(Schema.isBetween({ minimum: 1, maximum: 1000 }))),
  ),
  after: Schema.optional(
    Schema.String.pipe(
      Schema.check(
        Schema.isPattern(/^\d{1,15}\.cordon-[0-9a-f]{16}-[a-z0-9-]{1,38}$/, {
          expected: "the value of next in the page before",
        }),
      ),
    ),
  ),
})

/** Which sandboxes are looked for; all of them by default. */
export interface SandboxFilter {
  /** Those that have all of these tags, with these values. */
  readonly tags?: Readonly<Record<string, string>>
  /** Those in this state, or in one of these. */
  readonly status?: SandboxStatus | ReadonlyArray<SandboxStatus>
  /** How many at most, from 1 to 1,000; 100 by default. */
  readonly limit?: number
  /** `next` of the page before. */
  readonly after?: string | undefined
}

/** Some of the sandboxes that were looked for, oldest first. */
export interface SandboxPage {
  /** At most as many as the page's limit. */
  readonly sandboxes: ReadonlyArray<SandboxInfo>
  /** Where the next page begins; `undefined` with the last one. Sandboxes that go meanwhile change nothing. */
  readonly next?: string | undefined
}

export const decodeFilter = Schema.decodeUnknownEffect(Filter)

const positionOf = ({ createdAt, id }: SandboxInfo) => `${createdAt.getTime()}.${id}`

/** Orders by age, and sandboxes of one moment by their IDs. */
const compare = (one: string, other: string): number => {
  const [oneTime = "", oneId = ""] = one.split(/\.(.*)/s)
  const [otherTime = "", otherId = ""] = other.split(/\.(.*)/s)
  return Number(oneTime) - Number(otherTime) || (oneId < otherId ? -1 : oneId > otherId ? 1 : 0)
}

/** The page of those that fit. */
export const pageOf = (
  all: ReadonlyArray<SandboxInfo>,
  { tags, status, limit = 100, after }: typeof Filter.Type,
): SandboxPage => {
  const statuses = typeof status === "string" ? [status] : status
  const found = all
    .filter((info) => hasTags(info, tags))
    .filter((info) => statuses === undefined || statuses.includes(info.status))
    .map((info) => ({ info, position: positionOf(info) }))
    .filter(({ position }) => after === undefined || compare(position, after) > 0)
    .sort((one, other) => compare(one.position, other.position))
  const page = found.slice(0, limit)
  return {
    sandboxes: page.map(({ info }) => info),
    next: page.length === found.length ? undefined : page.at(-1)?.position,
  }
}
