import { javaOptions, trustInJava } from "./java.ts"
import { rooted } from "./rooted.ts"

/** The port inside the sandbox at which the egress proxy listens. */
export const port = 3128
const folder = "/etc/cordon"
const authorityFile = `${folder}/egress-ca.pem`
const bundleFile = `${folder}/egress-ca-bundle.pem`

/**
 * Makes the programs of an image trust an authority: in the image's own stores, and in a file with
 * all trusted certificates that environment variables name. The image's original store is saved for
 * the next authority.
 *
 * It runs as root, and code inside that runs as another user must not become root by it. So the system's own folders come before the
 * image's PATH, which may begin with a folder of that user. A file is not written if others than root can change it or what leads to it.
 */
export const trust = `
set -e
umask 022
PATH=/usr/sbin:/usr/bin:/sbin:/bin:$PATH
cd /
${rooted}
mkdir -p ${folder} /etc/ssl/certs
cat >${authorityFile}
own=${folder}/egress-ca-own.pem
debian=/etc/ssl/certs/ca-certificates.crt
stores= found=
for store in $debian /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem; do
  [ -e "$store" ] || [ -h "$store" ] || continue
  found=yes
  [ ! -f "$store" ] || ! rooted "$store" || stores="$stores $store"
done
if [ -z "$found" ] && rooted /etc/ssl/certs; then created=$debian; else created=; fi
if [ ! -f $own ]; then
  set -- $stores
  if [ $# -gt 0 ]; then cat "$1" >$own; else : >$own; fi
fi
cat $own ${authorityFile} >${bundleFile}
for store in $stores $created; do cat ${bundleFile} >"$store"; done
added=/usr/local/share/ca-certificates
if mkdir -p $added 2>/dev/null && rooted $added; then cp ${authorityFile} $added/cordon-egress.crt; fi
${trustInJava(folder, authorityFile)}`

/** The variables with which programs inside find the egress proxy and trust its authority. */
export const variables = (): Record<string, string> => {
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
    // Node uses no proxy by default.
    NODE_USE_ENV_PROXY: "1",
    JAVA_TOOL_OPTIONS: javaOptions("127.0.0.1", port),
  }
}
