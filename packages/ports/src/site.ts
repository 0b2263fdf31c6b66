import { InvalidInput } from "@cordon/core"

/** The public URL of the shared ports. */
export interface Site {
  readonly baseDomain: string
  /** TLS is in front. */
  readonly secure: boolean
  readonly port: number
}

/** The `Host` header of a request to a shared port. It has the port unless that is the scheme's default. */
export const hostOf = ({ baseDomain, secure, port }: Site, label: string): string => {
  const name = `${label}.${baseDomain}`
  return port === (secure ? 443 : 80) ? name : `${name}:${port}`
}

/** The scheme and host of a shared port, as browsers have it in `Origin`. */
export const originOf = (site: Site, label: string): string =>
  `${site.secure ? "https" : "http"}://${hostOf(site, label)}`

/** A name that labels can be put before. */
export const parseBaseDomain = (given: string): string => {
  const name = given.toLowerCase()
  const part = "[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
  // Labels of shared ports take 27 characters of the 253 that a name has.
  if (name.length > 220 || !new RegExp(`^${part}(?:\\.${part})*$`).test(name)) {
    throw new InvalidInput({
      subject: "baseDomain",
      issue: "it must be a domain name, such as preview.example.com",
    })
  }
  if (/^[\d.]+$/.test(name)) {
    throw new InvalidInput({
      subject: "baseDomain",
      issue:
        "it must be a domain name and not an address, because each shared port gets a subdomain of it",
    })
  }
  return name
}

/** Whether only this machine can connect to that host. */
export const isLoopback = (host: string): boolean =>
  host === "localhost" || host === "::1" || /^127(?:\.\d{1,3}){3}$/.test(host)
