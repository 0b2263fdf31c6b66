import type { EngineReason } from "@cordon/core"
import { assert, describe, it } from "vitest"
import { refusalIn } from "../src/engine/failures.ts"
import type { Operation } from "../src/engine/statusReasons.ts"

type Answer = readonly [
  engine: string,
  operation: Operation,
  status: number,
  message: string,
  reason: EngineReason["_tag"],
]

/** As engines answered: Docker 20.10 and 28.5, Podman 4.3 and 5.8, managers of Docker 20.10. */
const answers: ReadonlyArray<Answer> = [
  ["Docker", "start a container", 304, "", "NotModified"],
  ["Docker", "inspect a container", 404, "No such container: nosuch", "NotFound"],
  ["Docker", "create a container", 404, "No such image: nosuch:1", "NotFound"],
  [
    "Podman 4",
    "start a container",
    404,
    'no container with name or ID "nosuch" found: no such container',
    "NotFound",
  ],
  [
    "Podman, of one that goes while it is looked at",
    "inspect a container",
    500,
    "container 36a2 does not exist in database: no such container",
    "NotFound",
  ],
  [
    "Docker",
    "create a container",
    409,
    'Conflict. The container name "/t" is already in use by container "7db8". You have to remove (or rename) that container to be able to reuse that name.',
    "NameTaken",
  ],
  [
    "Podman",
    "create a container",
    500,
    'container create: creating container storage: the container name "t" is already in use by 433e. You have to remove that container to be able to reuse that name: that name is already in use',
    "NameTaken",
  ],
  [
    "Podman 4",
    "rename a container",
    409,
    "renaming container d728: name t already in use, cannot rename container d728: container already exists",
    "NameTaken",
  ],
  ["Docker", "create a network", 409, "network with name t already exists", "NameTaken"],
  [
    "Podman 4",
    "create a network",
    500,
    "network name t already used: network already exists",
    "NameTaken",
  ],
  [
    "a manager",
    "create a service",
    409,
    "rpc error: code = AlreadyExists desc = name conflicts with an existing object: service t already exists",
    "NameTaken",
  ],
  [
    "a manager",
    "create a network",
    409,
    "rpc error: code = AlreadyExists desc = name conflicts with an existing object: network t already exists",
    "NameTaken",
  ],
  ["Docker 20", "prepare a command", 409, "Container 7db8 is not running", "NotRunning"],
  [
    "Docker 28",
    "kill a container",
    409,
    "cannot kill container: t: container e4c2 is not running",
    "NotRunning",
  ],
  [
    "Podman",
    "prepare a command",
    500,
    "can only create exec sessions on running containers: container state improper",
    "NotRunning",
  ],
  [
    "Docker",
    "prepare a command",
    409,
    "Container t is paused, unpause the container before exec",
    "Paused",
  ],
  ["Docker", "pause a container", 409, "Container e4c2 is already paused", "Paused"],
  [
    "Podman 5",
    "prepare a command",
    409,
    "cannot create exec session as container fd91 is paused",
    "Paused",
  ],
  [
    "Podman 5",
    "pause a container",
    500,
    '"fd91" is already paused: container state improper',
    "Paused",
  ],
  ["Docker", "resume a container", 500, "Container 7db8 is not paused", "Conflict"],
  [
    "Podman",
    "resume a container",
    500,
    '"433e" is not paused, can\'t unpause: container state improper',
    "Conflict",
  ],
  [
    "Docker",
    "remove an image",
    409,
    'conflict: unable to remove repository reference "debian:12" (must force) - container e4c2 is using its referenced image 4e0f',
    "InUse",
  ],
  [
    "Docker 20",
    "remove a network",
    403,
    "error while removing network: network t id 78f1 has active endpoints",
    "InUse",
  ],
  [
    "Podman",
    "remove a network",
    500,
    '"t" has associated containers with it. Use -f to forcibly delete containers and pods: network is being used',
    "InUse",
  ],
  [
    "a manager",
    "remove a network",
    400,
    "rpc error: code = FailedPrecondition desc = network t is in use by task u",
    "InUse",
  ],
  ["Docker", "remove a network", 404, "network t not found", "NotFound"],
  [
    "Docker",
    "remove a container",
    409,
    "removal of container t is already in progress",
    "InProgress",
  ],
  ["Docker 20", "start a container", 404, "network t not found", "NetworkNotFound"],
  [
    "Docker 28",
    "start a container",
    404,
    "failed to set up container networking: network t not found",
    "NetworkNotFound",
  ],
  [
    "Podman",
    "create a container",
    500,
    "container create: unable to find network with name or ID t: network not found",
    "NetworkNotFound",
  ],
  [
    "Docker 20",
    "create a network",
    403,
    "Pool overlaps with other one on this address space",
    "SubnetTaken",
  ],
  [
    "Docker 28",
    "create a network",
    403,
    "invalid pool request: Pool overlaps with other one on this address space",
    "SubnetTaken",
  ],
  [
    "Podman",
    "create a network",
    500,
    "subnet 10.99.7.0/29 is already used on the host or by another config",
    "SubnetTaken",
  ],
  [
    "Docker",
    "create a container",
    400,
    "Requested CPUs are not available - requested 99, available: 0-1",
    "CpusRefused",
  ],
  [
    "Podman 5 with crun",
    "start a container",
    500,
    "crun: controller `cpuset` is not available under /sys/fs/cgroup/libpod_parent: OCI runtime error",
    "CpusRefused",
  ],
  [
    "Docker",
    "create a container",
    500,
    "--storage-opt is supported only for overlay over xfs with 'pquota' mount option",
    "DiskLimitRefused",
  ],
  [
    "Podman in a container",
    "start a container",
    500,
    "runc: runc create failed: unable to start container process: error during container init: error setting rlimits for ready process: error setting rlimit type 7: operation not permitted: OCI permission denied",
    "UlimitsRefused",
  ],
  [
    "Docker",
    "put files into a container",
    500,
    "write /var/lib/docker/x: no space left on device",
    "NoSpace",
  ],
  [
    "a manager",
    "label a service",
    500,
    "rpc error: code = Unknown desc = update out of sequence",
    "Outdated",
  ],
  [
    "a manager",
    "list tasks",
    500,
    "rpc error: code = Unknown desc = The swarm does not have a leader. It's possible that too few managers are online.",
    "NoLeader",
  ],
  [
    "Docker",
    "list tasks",
    503,
    'This node is not a swarm manager. Use "docker swarm init" or "docker swarm join" to connect this node to swarm and try again.',
    "NotManager",
  ],
  [
    "Docker",
    "read the engine's capabilities",
    400,
    "client version 1.99 is too new. Maximum supported API version is 1.51",
    "ApiVersion",
  ],
  ["Docker", "create a container", 400, "invalid hostname", "Rejected"],
  [
    "Docker",
    "start a container",
    500,
    "OCI runtime create failed: container_linux.go:367: unable to find user nobody",
    "Failed",
  ],
  // A registry's, and no word of a swarm.
  ["Docker", "pull an image", 500, "dial tcp 10.0.0.1:443: connection refused", "Failed"],
]

describe("an engine's refusal", () => {
  it.each(answers)("of %s to %s with %i (%s) means %s", (_, operation, status, message, reason) => {
    const error = refusalIn(operation, status, JSON.stringify({ message }))
    assert.strictEqual(error.reason._tag, reason)
    assert.deepStrictEqual([error.status, error.detail], [status, message])
  })
})
