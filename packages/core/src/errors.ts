/**
 * One tagged class for each failure that a caller can act on. Each message says what was wrong and
 * what to do next, and is fit to be shown to a model; none carries a secret.
 */
export * from "./errors/command.ts"
export * from "./errors/egress.ts"
export * from "./errors/engine.ts"
export * from "./errors/files.ts"
export * from "./errors/git.ts"
export * from "./errors/image.ts"
export * from "./errors/input.ts"
export * from "./errors/lease.ts"
export * from "./errors/limits.ts"
export * from "./errors/port.ts"
export * from "./errors/process.ts"
export * from "./errors/sandbox.ts"
export * from "./errors/session.ts"
export * from "./errors/snapshot.ts"
export * from "./errors/unexpected.ts"
export * from "./errors/unions.ts"
