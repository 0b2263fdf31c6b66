/**
 * One job on many machines: each part runs in its own sandbox, which a Docker swarm places.
 *
 *     node --conditions=@cordon/source examples/swarm.ts tcp://manager-1:2376 [another manager ...]
 *
 * DOCKER_CERT_PATH names the folder with `ca.pem`, `cert.pem` and `key.pem`. docs/swarm.md says how to
 * set a swarm up.
 */
import { createSandboxes } from "@cordon/core"
import { dockerSwarm } from "@cordon/driver-docker-swarm"

const managers = process.argv.slice(2)
const directory = process.env["DOCKER_CERT_PATH"]
await using sandboxes = createSandboxes({
  driver: dockerSwarm({ managers, ...(directory === undefined ? {} : { tls: { directory } }) }),
  // The limits count as reservations, which decide the node of the next sandbox.
  limits: { memory: "64MiB", cpus: 0.1 },
  network: "none",
})

/** The sum of the digits of all numbers from one to another. */
const share = async (from: number, to: number) => {
  await using sandbox = await sandboxes.create({ name: `share-${from}` })
  const { stdout } = await sandbox.run(
    `seq ${from} ${to} | grep -o . | awk '{ n += $1 } END { print n }'`,
  )
  console.log(`${from} to ${to}: ${stdout.trim()}`)
  return Number(stdout)
}

const sums = await Promise.all([1, 2501, 5001, 7501].map((from) => share(from, from + 2499)))
console.log(`all: ${sums.reduce((sum, one) => sum + one, 0)}`)
