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

/** The folder in which this package is installed; correct from `src` and from `dist`. */
export const packageFolder = new URL("..", import.meta.url)

/** This package's own `package.json`. */
export const manifest = Schema.decodeUnknownSync(Manifest)(
  readFileSync(new URL("package.json", packageFolder), "utf8"),
)
