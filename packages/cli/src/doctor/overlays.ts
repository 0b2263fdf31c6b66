import type { schemas } from "@cordon/driver-docker/engine"
import type { Check } from "./report.ts"

/**
 * Whether sandboxes made directly on this engine can forge packets of a swarm's networks: a node of
 * a swarm accepts such packets from everybody. The swarm driver blocks that way.
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
