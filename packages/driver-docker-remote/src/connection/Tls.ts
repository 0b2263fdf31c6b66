import { readFile } from "node:fs/promises"
import { join } from "node:path"
import { createSecureContext } from "node:tls"
import { InvalidInput } from "@cordon/core"
import { codeOf } from "@cordon/driver-docker/engine"
import { Effect, Redacted } from "effect"

/** A PEM text (it holds `-----BEGIN`), or the path of a file with one. */
export type Pem = string | Redacted.Redacted<string>

/** TLS certificates of the engine and of this client. The engine's certificate is always verified. */
export interface TlsOptions {
  /** A folder with `ca.pem`, `cert.pem` and `key.pem`, as the docker client keeps them. */
  readonly directory?: string
  /** The authority that signed the engine's certificate. Default: the authorities Node trusts. */
  readonly ca?: Pem
  /** Our certificate, for engines that ask for one. */
  readonly cert?: Pem
  /** The key of our certificate. */
  readonly key?: Pem
  /** The passphrase of the key, if the key is encrypted. */
  readonly passphrase?: Redacted.Redacted<string> | string
  /** The name that the engine's certificate must be for, where it is not the host's. */
  readonly serverName?: string
}

/** Options for `tls.connect`. */
export interface TlsMaterial {
  readonly ca?: string | undefined
  readonly cert?: string | undefined
  readonly key?: string | undefined
  readonly passphrase?: string | undefined
  readonly servername?: string | undefined
}

const parts = ["ca", "cert", "key"] as const

const invalid = (issue: string) => new InvalidInput({ subject: "TLS settings", issue })

const plain = (value: Pem) => (Redacted.isRedacted(value) ? Redacted.value(value) : value)

const read = (path: string, refused: (code: string) => InvalidInput) =>
  Effect.tryPromise({
    try: () => readFile(path, "utf8"),
    catch: (cause) => refused(codeOf(cause)),
  })

/** Reads one of the settings. A value is never repeated: it may be a key that lacks its header. */
const material = Effect.fnUntraced(function* (
  part: (typeof parts)[number],
  { directory, [part]: value }: TlsOptions,
): Effect.fn.Return<string | undefined, InvalidInput> {
  if (value !== undefined) {
    const text = plain(value)
    if (text.includes("-----BEGIN")) return text
    return yield* read(text, (code) =>
      invalid(`"${part}" is neither a PEM text nor the path of a file that can be read (${code})`),
    )
  }
  if (directory === undefined) return undefined
  const path = join(directory, `${part}.pem`)
  return yield* read(path, (code) => invalid(`${path} can't be read (${code})`)).pipe(
    Effect.catchIf(
      (error) => error.issue.endsWith("(ENOENT)"),
      () => Effect.succeed(undefined),
    ),
  )
})

const reasons: Readonly<Record<string, string>> = {
  ERR_OSSL_X509_KEY_VALUES_MISMATCH: "the key does not belong to the certificate",
  ERR_OSSL_PEM_NO_START_LINE: "one of ca, cert and key is not a PEM text",
  ERR_OSSL_BAD_DECRYPT: "the passphrase does not open the key",
  ERR_OSSL_EVP_BAD_DECRYPT: "the passphrase does not open the key",
}

/** Whether a PEM text is encrypted, in PKCS #8 or in openssl's older format. */
const isEncrypted = (pem: string) =>
  /-----BEGIN ENCRYPTED PRIVATE KEY-----|^Proc-Type: 4,ENCRYPTED/m.test(pem)

/** Reads certificates and key, and sees that they fit together before anything connects. */
export const loadTls = Effect.fn("loadTls")(function* (
  options: TlsOptions,
): Effect.fn.Return<TlsMaterial, InvalidInput> {
  const [ca, cert, key] = yield* Effect.all([
    material("ca", options),
    material("cert", options),
    material("key", options),
  ])
  const { directory, serverName } = options
  if (directory !== undefined && ca === undefined && cert === undefined && key === undefined) {
    return yield* invalid(`${directory} has no ca.pem, cert.pem or key.pem`)
  }
  if ((cert === undefined) !== (key === undefined)) {
    return yield* invalid(
      `a client certificate needs both cert and key; ${cert === undefined ? "cert" : "key"} is missing`,
    )
  }
  const passphrase = options.passphrase === undefined ? undefined : plain(options.passphrase)
  // Without a passphrase Node tries an empty one, with different errors for different keys.
  if (passphrase === undefined && key !== undefined && isEncrypted(key))
    return yield* invalid("the key is encrypted; give its passphrase")
  const loaded: TlsMaterial = {
    ca,
    cert,
    key,
    passphrase,
    servername: serverName,
  }
  yield* Effect.try({
    try: () => createSecureContext(loaded),
    catch: (cause) => {
      const code = codeOf(cause)
      return invalid(reasons[code] ?? `they can't be used${code === "" ? "" : ` (${code})`}`)
    },
  })
  return loaded
})
