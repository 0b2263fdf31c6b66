/** Fields that several tools share, and how values are shown to a model. */
import { formatMemory, type SandboxInfo, SandboxStatus } from "@cordon/core"
import { Option, Predicate, Schema, SchemaTransformation } from "effect"

/** Text or a number with a description for the model. */
export const text = (description: string) => Schema.String.annotate({ description })
export const count = (description: string) =>
  Schema.Int.pipe(Schema.check(Schema.isGreaterThanOrEqualTo(0))).annotate({ description })

/**
 * A field of an input that may be left out. Models that must name every field (strict mode) leave one
 * out by null.
 */
export const optional = <A, E>(field: Schema.Codec<A, E>, description?: string) =>
  // The description is set here if the field ends with a check that JSON Schema can't express.
  Schema.optionalKey(Schema.NullOr(field).annotate({ description })).pipe(
    Schema.decodeTo(
      Schema.optionalKey(Schema.toType(field)),
      SchemaTransformation.transformOptional<A, A | null>({
        decode: Option.filter(Predicate.isNotNull),
        encode: (value) => value,
      }),
    ),
  )

export const sandboxField = text('Name or ID of a sandbox of this session, such as "web-1".')

const variableName = /^[A-Za-z_][A-Za-z0-9_]*$/

export const envField = (description: string) =>
  // Annotated first: an annotation after a check that JSON Schema can't express would be lost.
  Schema.Record(Schema.String, Schema.String)
    .annotate({ description })
    .pipe(
      Schema.check(
        Schema.makeFilter((env) => {
          const bad = Object.keys(env).find((name) => !variableName.test(name))
          return bad === undefined
            ? undefined
            : `Expected variable names of letters, digits and underscores, got ${JSON.stringify(bad.slice(0, 60))}`
        }),
      ),
    )

export const encodingField = Schema.Literals(["utf8", "base64"])
export type Encoding = (typeof encodingField)["Type"]

const limitsField = Schema.Struct({
  memory: text('Memory, swap included, such as "2 GiB".'),
  cpus: Schema.Finite.annotate({ description: "CPU cores." }),
  pids: count("Processes and threads."),
})

/** The fields in which a tool describes a sandbox. */
export const sandboxFields = {
  name: text("What the other tools call it."),
  id: text("Its ID, unique on the host."),
  status: SandboxStatus.annotate({ description: "running, or stopped (its files are kept)." }),
  image: text("Its image."),
  runtime: text("Its OCI runtime."),
  limits: limitsField,
  workdir: text("Where commands run and relative paths start."),
  network: text("Its network mode."),
}

export const describe = (info: SandboxInfo) => ({
  name: info.name,
  id: info.id,
  status: info.status,
  image: info.image,
  runtime: info.runtime,
  limits: {
    memory: formatMemory(info.limits.memory),
    cpus: info.limits.cpus,
    pids: info.limits.pids,
  },
  workdir: info.workdir,
  network: info.network,
})

export const showLimits = ({ memory, cpus, pids }: (typeof limitsField)["Type"]) =>
  `${memory} of memory, ${plural(cpus, "core")}, ${plural(pids, "process", "processes")}`

/** Whole numbers with separators, in every locale the same. */
export const number = (value: number) => value.toLocaleString("en-US")

export const plural = (value: number, one: string, many = `${one}s`) =>
  `${number(value)} ${value === 1 ? one : many}`

/** Formats seconds for people: `45 s`, `3 min`, `2 h`. */
export const showSeconds = (seconds: number) =>
  seconds < 120
    ? `${Number(seconds.toFixed(seconds < 10 ? 1 : 0))} s`
    : seconds < 7200
      ? `${Math.round(seconds / 60)} min`
      : `${Math.round(seconds / 3600)} h`
