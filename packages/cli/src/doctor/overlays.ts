import type { schemas } from "@cordon/driver-docker/engine"
import type { Check } from "./report.ts"

/**
 * Whether sandboxes made on this engine alone can forge packets of a swarm's networks: it is one of the
 * swarm's nodes, and takes such packets from everybody. The swarm's own driver closes that way.
 */
export const checkOverlays = ({ Swarm }: schemas.EngineInfo): ReadonlyArray<Check> =>
  Swarm?.LocalNodeState === "active"
    ? [
        {
          name: "overlay networks",
          status: "warning",
          detail:
            "the engine is a node of a swarm, and a bridge sandbox that docker() makes on it can send forged packets into the swarm's overlay networks",
          mend: "Make the sandboxes through dockerSwarm(), or drop UDP to port 4789 that comes from containers' bridges, as docs/swarm.md says.",
        },
      ]
    : []
