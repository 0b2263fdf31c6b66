import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"

/** PEM texts. */
export interface Certificate {
  readonly cert: string
  readonly key: string
}

/** A certificate authority made for one test, and gone with it. */
export interface Authority {
  readonly ca: string
  readonly server: (altNames: ReadonlyArray<string>, expired?: boolean) => Certificate
  readonly client: (expired?: boolean) => Certificate
}

const newKey = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]

const inFolder = <A>(f: (path: (name: string) => string) => A): A => {
  const folder = mkdtempSync(join(tmpdir(), "cordon-certificates-"))
  try {
    return f((name) => join(folder, name))
  } finally {
    rmSync(folder, { recursive: true })
  }
}

const openssl = (...args: ReadonlyArray<string>) => execFileSync("openssl", args, { stdio: "pipe" })

/** @param name the authority's own; two of one name are different authorities all the same */
export const makeAuthority = (name = "Cordon test authority"): Authority => {
  const { ca, key } = inFolder((path) => {
    const files = ["-keyout", path("key"), "-out", path("ca")]
    openssl("req", "-x509", ...newKey, ...files, "-subj", `/CN=${name}`, "-days", "2")
    return { ca: readFileSync(path("ca"), "utf8"), key: readFileSync(path("key"), "utf8") }
  })
  const issue = (extensions: string, expired: boolean): Certificate =>
    inFolder((path) => {
      writeFileSync(path("ca"), ca)
      writeFileSync(path("caKey"), key)
      writeFileSync(path("extensions"), extensions)
      openssl("req", ...newKey, "-keyout", path("key"), "-out", path("csr"), "-subj", "/CN=test")
      const authority = ["-CA", path("ca"), "-CAkey", path("caKey"), "-CAcreateserial"]
      const validity = ["-days", expired ? "-1" : "2", "-extfile", path("extensions")]
      openssl("x509", "-req", "-in", path("csr"), "-out", path("cert"), ...authority, ...validity)
      return { cert: readFileSync(path("cert"), "utf8"), key: readFileSync(path("key"), "utf8") }
    })
  return {
    ca,
    server: (altNames, expired = false) =>
      issue(`subjectAltName=${altNames.join(",")}\nextendedKeyUsage=serverAuth\n`, expired),
    client: (expired = false) => issue("extendedKeyUsage=clientAuth\n", expired),
  }
}
