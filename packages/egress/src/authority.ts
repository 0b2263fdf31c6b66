// The next import needs this one.
import "reflect-metadata"
import { webcrypto } from "node:crypto"
import { createSecureContext, type SecureContext } from "node:tls"
import * as x509 from "@peculiar/x509"

const algorithm = { name: "ECDSA", namedCurve: "P-256", hash: "SHA-256" } as const
const day = 24 * 60 * 60 * 1000
// A sandbox has its host's clock, which may be behind ours.
const before = day
const most = 256

/**
 * Makes certificates for programs that trust its own certificate. Its key exists only in this
 * process's memory.
 */
export interface Authority {
  /** Its own certificate, as PEM. */
  readonly certificate: string
  /** The TLS context of a server with that name. */
  readonly contextOf: (host: string) => Promise<SecureContext>
}

const pemOf = async (key: webcrypto.CryptoKey) => {
  const bytes = Buffer.from(await webcrypto.subtle.exportKey("pkcs8", key)).toString("base64")
  return `-----BEGIN PRIVATE KEY-----\n${bytes.replace(/.{64}/g, "$&\n")}\n-----END PRIVATE KEY-----\n`
}

const newKeys = () => webcrypto.subtle.generateKey(algorithm, true, ["sign", "verify"])

/** A new authority for one sandbox. Nothing else trusts its certificates. */
export const makeAuthority = async (): Promise<Authority> => {
  x509.cryptoProvider.set(webcrypto)
  const keys = await newKeys()
  const now = Date.now()
  const dates = { notBefore: new Date(now - before), notAfter: new Date(now + 365 * day) }
  const own = await x509.X509CertificateGenerator.createSelfSigned({
    name: "CN=Cordon sandbox",
    keys,
    signingAlgorithm: algorithm,
    ...dates,
    extensions: [
      new x509.BasicConstraintsExtension(true, 0, true),
      new x509.KeyUsagesExtension(
        x509.KeyUsageFlags.keyCertSign | x509.KeyUsageFlags.cRLSign,
        true,
      ),
      await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
    ],
  })
  // One key for all servers: they are the same proxy.
  const ours = await newKeys()
  const key = await pemOf(ours.privateKey)
  const contexts = new Map<string, Promise<SecureContext>>()
  const make = async (host: string) => {
    const leaf = await x509.X509CertificateGenerator.create({
      subject: "CN=Cordon egress",
      issuer: own.subject,
      publicKey: ours.publicKey,
      signingKey: keys.privateKey,
      signingAlgorithm: algorithm,
      ...dates,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        new x509.SubjectAlternativeNameExtension([{ type: "dns", value: host }], true),
        await x509.AuthorityKeyIdentifierExtension.create(own),
      ],
    })
    return createSecureContext({ key, cert: leaf.toString("pem") })
  }
  return {
    certificate: `${own.toString("pem")}\n`,
    contextOf: (host) => {
      const found = contexts.get(host)
      if (found !== undefined) return found
      // The cache is bounded, since a wildcard covers any number of names.
      for (const oldest of contexts.keys()) {
        if (contexts.size < most) break
        contexts.delete(oldest)
      }
      const made = make(host)
      contexts.set(host, made)
      return made
    },
  }
}
