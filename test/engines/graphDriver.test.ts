import { onNewestEngine } from "./newest.ts"

await onNewestEngine("overlay2")
