// Imported for its check, which reports a Node that is too old.
import "@cordon/core"

export type { ConnectionOptions } from "./connection/connect.ts"
export type { Pem, TlsOptions } from "./connection/Tls.ts"
export {
  type DockerRemoteOptions,
  dockerRemote,
  layer,
  layerConfig,
  layerEngine,
} from "./dockerRemote.ts"
