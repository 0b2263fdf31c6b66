// The lower bound: downloads a file with the engine's archive call, with only Node and a tar parser, and
// prints this process's peak resident memory in MiB.
import { createWriteStream } from "node:fs"
import { get } from "node:http"
import { pipeline } from "node:stream/promises"
import tar from "tar-stream"

const [socketPath = "", container = "", path = "", target = ""] = process.argv.slice(2)
const url = `/v1.41/containers/${container}/archive?path=${encodeURIComponent(path)}`
const archive = await new Promise((resolve, reject) => {
  get({ socketPath, path: url }, resolve).on("error", reject)
})
if (archive.statusCode !== 200) throw new Error(`status ${archive.statusCode}`)
const extract = tar.extract()
const unpack = async () => {
  for await (const entry of extract) await pipeline(entry, createWriteStream(target))
}
await Promise.all([pipeline(archive, extract), unpack()])
console.log(process.resourceUsage().maxRSS / 1024)
