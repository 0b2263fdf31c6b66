import { readFileSync } from "node:fs"
import { Schema } from "effect"

const Versions = Schema.Record(Schema.String, Schema.String)
const Manifest = Schema.fromJsonString(
  Schema.Struct({
    version: Schema.String,
    peerDependencies: Versions,
    devDependencies: Versions,
  }),
)

/** This package's own `package.json`. */
export const manifest = Schema.decodeUnknownSync(Manifest)(
  readFileSync(new URL("../package.json", import.meta.url), "utf8"),
)
