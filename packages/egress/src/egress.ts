import { InvalidInput, type PromiseSandbox } from "@cordon/core"
import { makeAuthority } from "./authority.ts"
import { EgressProxy } from "./EgressProxy.ts"
import type { Ask, EgressAttempt } from "./Exchanges.ts"
import { Placeholders } from "./placeholders.ts"
import { type EgressRules, parsePolicy } from "./policy.ts"

/** What the way out of a sandbox has beside its rules. */
export interface EgressOptions {
  /** Decides about requests whose rule says `ask`. It is told what for; what it throws is a no. */
  readonly ask?: Ask
  /** Milliseconds that `ask` may take: 30,000 by default. After that the answer is no. */
  readonly askTimeout?: number
  /** Is told of each attempt once it is over, never of what was said. */
  readonly onAttempt?: (attempt: EgressAttempt) => void
  /**
   * What the placeholders of secrets are made of, for a program that is started again and finds its sandboxes: they have the
   * placeholders in their environment. Random by default.
   */
  readonly seed?: string
  /** Addresses of names that this machine's resolver does not know, by name. */
  readonly hosts?: Readonly<Record<string, string>>
  /** Authorities, as PEM, that destinations may be signed by, in place of those that Node knows. */
  readonly ca?: ReadonlyArray<string>
}

/** The variables by which programs inside find the way out. */
export type EgressEnvironment = Readonly<Record<string, string>>

/** The way out of one sandbox. `await using` closes it: then nothing gets out. */
export interface SandboxEgress extends AsyncDisposable {
  /** For the `env` of the sandbox: the proxy, the authority, and the placeholders of secrets. */
  readonly env: EgressEnvironment
  /**
   * Opens the way out of a sandbox, which needs no network of its own: make it with `network: "none"`. Again where the
   * sandbox was opened before.
   */
  readonly open: (sandbox: PromiseSandbox) => Promise<void>
  /** Has other rules decide from now on, and ends what they do not allow. Rejects with `InvalidInput`, and changes nothing then. */
  readonly update: (rules: EgressRules) => Promise<void>
  /** Closes the way out and ends what is under way. */
  readonly close: () => Promise<void>
}

const port = 3128
const folder = "/etc/cordon"
const authorityFile = `${folder}/egress-ca.pem`
const bundleFile = `${folder}/egress-ca-bundle.pem`

/**
 * Has the programs of an image trust an authority: by the stores that images have, and by a file of all that is trusted, which
 * variables name. What the image trusted by itself is kept, for the next authority.
 */
const trust = `
set -e
umask 022
mkdir -p ${folder} /etc/ssl/certs /usr/local/share/ca-certificates
cat >${authorityFile}
own=${folder}/egress-ca-own.pem
debian=/etc/ssl/certs/ca-certificates.crt
stores=
for store in $debian /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
  [ ! -f "$store" ] || stores="$stores $store"
done
if [ ! -f $own ]; then
  set -- $stores
  if [ $# -gt 0 ]; then cat "$1" >$own; else : >$own; fi
fi
cat $own ${authorityFile} >${bundleFile}
for store in \${stores:-$debian}; do cat ${bundleFile} >"$store"; done
cp ${authorityFile} /usr/local/share/ca-certificates/cordon-egress.crt
`

const variables = (): Record<string, string> => {
  const proxy = `http://127.0.0.1:${port}`
  const none = "localhost,127.0.0.1,::1"
  const named = { http_proxy: proxy, https_proxy: proxy, all_proxy: proxy, no_proxy: none }
  const upper = Object.entries(named).map(([name, value]) => [name.toUpperCase(), value])
  const bundle = [
    "SSL_CERT_FILE",
    "CURL_CA_BUNDLE",
    "REQUESTS_CA_BUNDLE",
    "PIP_CERT",
    "GIT_SSL_CAINFO",
    "CARGO_HTTP_CAINFO",
    "AWS_CA_BUNDLE",
  ].map((name) => [name, bundleFile])
  return {
    ...named,
    ...Object.fromEntries([...upper, ...bundle]),
    NODE_EXTRA_CA_CERTS: authorityFile,
    // Node asks for no proxy by itself.
    NODE_USE_ENV_PROXY: "1",
  }
}

/**
 * Makes the way out of one sandbox. The program is the proxy: secrets stay in its memory, rules change at once, and
 * where it ends nothing gets out.
 *
 * @example
 * await using egress = await makeEgress({
 *   allow: {
 *     "pypi.org": {},
 *     "*.pythonhosted.org": {},
 *     "api.example.com": { paths: ["/v1/**"], headers: { authorization: `Bearer ${key}` } },
 *   },
 * })
 * await using sandbox = await sandboxes.create({ network: "none", env: egress.env })
 * await egress.open(sandbox)
 * await sandbox.run("curl -sS https://api.example.com/v1/models")
 */
export const makeEgress = async (
  rules: EgressRules,
  options: EgressOptions = {},
): Promise<SandboxEgress> => {
  const { ask, askTimeout = 30_000, onAttempt, hosts = {}, ca, seed } = options
  if (!(askTimeout > 0 && askTimeout <= 3_600_000)) {
    throw new InvalidInput({
      subject: "askTimeout",
      issue: "it must be between 1 and 3,600,000 milliseconds",
    })
  }
  const policy = parsePolicy(rules)
  const placeholders = new Placeholders(seed)
  const authority = await makeAuthority()
  const proxy = new EgressProxy({
    policy,
    authority,
    placeholders,
    hosts,
    ca,
    ask,
    patience: askTimeout,
    onAttempt,
  })
  const stack = new AsyncDisposableStack()
  stack.defer(() => proxy.close())
  let opened: string | undefined
  const open = async (sandbox: PromiseSandbox) => {
    // Two sandboxes would share an authority, placeholders and limits.
    opened ??= sandbox.id
    if (opened !== sandbox.id) {
      const issue = `it is the way out of ${opened} already; make one for each sandbox`
      throw new InvalidInput({ subject: "egress", issue })
    }
    await sandbox.run(trust, { user: "root", stdin: authority.certificate, timeout: "30 seconds" })
    stack.use(await sandbox.ports.serve(port, proxy.take))
  }
  const close = () => stack.disposeAsync()
  return {
    env: { ...variables(), ...placeholders.env(policy) },
    open,
    update: async (next) => proxy.update(parsePolicy(next)),
    close,
    [Symbol.asyncDispose]: close,
  }
}
