// It says so on a Node that is too old.
import "@cordon/core"

export { type Architecture, initProgram, UnsupportedArchitecture } from "./initProgram.ts"
