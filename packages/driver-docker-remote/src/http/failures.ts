import { EngineError, EngineUnreachable, type HostError } from "@cordon/core"
import { codeOf, systemReasons } from "@cordon/driver-docker/engine"
import { SshFailure } from "../ssh/sshFailures.ts"

const untrusted =
  "its certificate is not signed by an authority that is trusted here (wrong CA?); give the CA that signed it"
const wantsCertificate =
  "it requires a client certificate; give cert and key (DOCKER_CERT_PATH, or the driver's tls option)"
const noTls = "it does not speak TLS at that port"

/** Explanations of error codes of Node, OpenSSL and undici for somebody who wants to reach an engine. */
const reasons: Readonly<Record<string, string>> = {
  ...systemReasons,
  ENOTFOUND: "its host name can't be resolved",
  EAI_AGAIN: "its host name can't be resolved for now (no name server answered)",
  EHOSTUNREACH: "there is no route to its host",
  ENETUNREACH: "there is no route to its network",
  ETIMEDOUT: "the connection timed out",
  UND_ERR_CONNECT_TIMEOUT: "connecting timed out",
  UND_ERR_HEADERS_TIMEOUT: "it took the request and did not answer in time",
  UND_ERR_BODY_TIMEOUT: "it stopped in the middle of an answer",
  UND_ERR_SOCKET: "it closed the connection",
  UND_ERR_DESTROYED: "this driver is closed",
  UND_ERR_CLOSED: "this driver is closed",
  CERT_HAS_EXPIRED: "its certificate has expired",
  CERT_NOT_YET_VALID: "its certificate is not valid yet (are both clocks right?)",
  CERT_REVOKED: "its certificate was revoked",
  ERR_TLS_CERT_ALTNAME_INVALID:
    "its certificate is for another host name; use a name that it holds, or give tls.serverName",
  DEPTH_ZERO_SELF_SIGNED_CERT: untrusted,
  SELF_SIGNED_CERT_IN_CHAIN: untrusted,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: untrusted,
  UNABLE_TO_GET_ISSUER_CERT: untrusted,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: untrusted,
  CERT_SIGNATURE_FAILURE: untrusted,
  CERT_UNTRUSTED: untrusted,
  INVALID_CA: untrusted,
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: "it speaks another version of TLS",
  ERR_SSL_WRONG_VERSION_NUMBER: noTls,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: noTls,
  EPROTO: noTls,
}

// An engine that is being restarted, or one that had just closed an idle connection.
const passing = new Set([
  "ECONNREFUSED",
  "ECONNRESET",
  "EPIPE",
  "EAI_AGAIN",
  "ENOENT",
  "UND_ERR_SOCKET",
])

// OpenSSL's names of the alerts with which an engine refuses us, without the TLS version.
const alerts: ReadonlyArray<readonly [suffix: string, why: string]> = [
  ["ALERT_CERTIFICATE_REQUIRED", ""],
  ["ALERT_BAD_CERTIFICATE", ""],
  ["ALERT_HANDSHAKE_FAILURE", ""],
  ["ALERT_UNKNOWN_CA", ": it does not know who signed it"],
  ["ALERT_CERTIFICATE_UNKNOWN", ""],
  ["ALERT_CERTIFICATE_EXPIRED", ": it has expired"],
  ["ALERT_CERTIFICATE_REVOKED", ": it was revoked"],
]

/** The progress of a connection. The meaning of a failure depends on it. */
export interface Progress {
  /** Whether there was a connection, TLS included. */
  readonly connected: boolean
  /** Whether the engine has answered before. */
  readonly answered: boolean
  readonly tls: boolean
  readonly certificate: boolean
}

/** Explains a broken connection. Repeats nothing that the peer sent. */
export const reasonOf = (cause: unknown, progress?: Progress): string => {
  if (cause instanceof SshFailure) return cause.reason
  const code = codeOf(cause)
  if (code.startsWith("HPE_") || (cause instanceof Error && cause.name === "HTTPParserError")) {
    return "what answers there does not speak HTTP: no Docker Engine"
  }
  const alert = alerts.find(([suffix]) => code.endsWith(suffix))
  if (alert !== undefined) {
    return progress?.certificate === true
      ? `it does not accept our client certificate${alert[1]}`
      : wantsCertificate
  }
  const reason = reasons[code] ?? `the connection failed${code === "" ? "" : ` (${code})`}`
  // Not every server sends an alert before it closes.
  const suspicious = progress?.tls && progress.connected && !progress.answered && passing.has(code)
  if (!suspicious) return reason
  return progress.certificate
    ? `${reason}, maybe because it does not accept our client certificate`
    : `${reason}, maybe because it requires a client certificate`
}

/** A call that brought no answer. */
export class Unanswered {
  readonly _tag = "Unanswered"
  readonly reason: string
  /** Whether another attempt may succeed. */
  readonly passing: boolean
  /** Whether the engine may have carried out the request. */
  readonly sent: boolean

  constructor(cause: unknown, progress: Progress) {
    const code = codeOf(cause)
    this.reason = reasonOf(cause, progress)
    this.passing = cause instanceof SshFailure ? cause.passing : passing.has(code)
    // A refused certificate may become known only after the handshake.
    this.sent = progress.connected && !/^(ERR_SSL|ERR_TLS|HPE)_/.test(code)
  }

  /** For callers: of a change that may have been made, that it may have been made. */
  toHostError(endpoint: string, operation: string, change: boolean): HostError {
    return this.sent && change
      ? new EngineError({
          operation,
          reason: { _tag: "OutcomeUnknown" },
          detail: `${this.reason} before the engine answered, so this may or may not have been done`,
        })
      : new EngineUnreachable({
          endpoint,
          reason: this.reason,
          ...(this.sent ? {} : { delivered: "never" }),
        })
  }
}
