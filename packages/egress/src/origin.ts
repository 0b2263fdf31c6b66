/** The server that a sandbox believes to be connected to. */
export interface Origin {
  readonly protocol: "http" | "https"
  /** In lower case. */
  readonly host: string
  readonly port: number
}

const defaultPort = { http: 80, https: 443 } as const

/** A host and its port as one name. */
export const nameOf = ({ protocol, host, port }: Origin): string =>
  port === defaultPort[protocol] ? host : `${host}:${port}`

/** Parses a host and its port; undefined if the host is not a name. */
export const parseHost = (
  text: string,
  otherwise: number,
): { readonly host: string; readonly port: number } | undefined => {
  const [, name, port] =
    /^([A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?)\.?(?::(\d{1,5}))?$/.exec(text) ?? []
  const number = port === undefined ? otherwise : Number(port)
  // Addresses are refused here: the list has names.
  if (name === undefined || name.length > 253) return undefined
  if (/^[\d.]+$|^0x/i.test(name) || number < 1 || number > 65_535) return undefined
  return { host: name.toLowerCase(), port: number }
}

/** Whether a request's `Host` or `:authority` names its connection's origin. */
export const isNamedBy = (origin: Origin, authority: string | undefined): boolean => {
  const named = parseHost(authority ?? "", defaultPort[origin.protocol])
  return named?.host === origin.host && named.port === origin.port
}
