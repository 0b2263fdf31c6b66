// Imported for its check, which reports a Node that is too old.
import "@cordon/core"

export {
  type Gateway,
  type GatewayOptions,
  openGateway,
  type SharedPort,
  type ShareOptions,
  type Sharing,
} from "./gateway.ts"
