import { type InputSchema, optionNames } from "@cordon/core"
import { Schema } from "effect"
import type { ConnectionOptions } from "./connect.ts"
import type { TlsOptions } from "./Tls.ts"

const tls = optionNames<TlsOptions>({
  directory: true,
  ca: true,
  cert: true,
  key: true,
  passphrase: true,
  serverName: true,
})

/** The names of the options of a connection, for `optionNames`. */
export const connectionOptions = {
  host: true,
  tls: Schema.Union([Schema.Literal(false), tls]),
  connectTimeout: true,
  headersTimeout: true,
  bodyTimeout: true,
  retries: true,
  connections: true,
  sshConfig: Schema.String,
} satisfies Readonly<Record<keyof Required<ConnectionOptions>, true | InputSchema>>
