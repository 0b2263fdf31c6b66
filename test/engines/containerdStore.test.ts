import { onNewestEngine } from "./newest.ts"

await onNewestEngine("io.containerd.snapshotter.v1", ["--feature", "containerd-snapshotter=true"])
