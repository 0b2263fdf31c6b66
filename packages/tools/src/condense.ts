/** Condenses the output of commands for a model to the text that a terminal would show in the end. */
import { stripVTControlCharacters } from "node:util"

// Characters of an unfinished line that are held, so that a redraw can still replace them: as much
// as a model gets to read. The start of a longer line is passed on.
const longestHeld = 32 * 1024

// An escape sequence that may not be whole yet is held back up to this length.
const longestSequence = 256

// biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for these characters
const clearsLine = /(?:\r|\u001b\[[01]?G)+\u001b\[[02]?K|\u001b\[2K/g
// biome-ignore lint/suspicious/noControlCharactersInRegex: it looks for these characters
const toLineStart = /\r|\u001b\[[01]?G/
// biome-ignore lint/suspicious/noControlCharactersInRegex: it removes these characters
const controls = /[\u0000-\u0007\u000b-\u001f\u007f-\u009f]/g

/** Each backspace lets the next character replace the one before it. */
const overstruck = (text: string): string => {
  if (!text.includes("\b")) return text
  const shown: Array<string> = []
  let back = 0
  for (const character of text) {
    if (character === "\b") back += 1
    else {
      shown.length = Math.max(0, shown.length - back)
      back = 0
      shown.push(character)
    }
  }
  return shown.join("")
}

const plain = (text: string) => overstruck(stripVTControlCharacters(text).replace(controls, ""))

/** The final visible text of a line (without its newline). */
const lastState = (line: string): string => {
  const cleared = line.replace(clearsLine, "\r\0\r")
  let shown = ""
  for (const part of cleared.split(toLineStart)) {
    if (part === "\0") shown = ""
    else shown = plain(part) || shown
  }
  return shown
}

/**
 * Condenses output as it arrives. Of a line that redraws itself only the last state stays; colours
 * and other control sequences are removed. The result does not depend on how the output is cut into
 * pieces, except for lines longer than 32,768 characters. Takes linear time, and buffers at most
 * one such line.
 */
export class Condenser {
  readonly #decoder = new TextDecoder()
  #held = ""

  /** @returns the text that is final after this piece */
  push(bytes: Uint8Array): string {
    return this.#take(this.#decoder.decode(bytes, { stream: true }))
  }

  /** @returns what was held */
  end(): string {
    const rest = this.#take(this.#decoder.decode())
    const last = lastState(this.#held)
    this.#held = ""
    return rest + last
  }

  #take(text: string): string {
    const lines = (this.#held + text).split("\n")
    this.#held = lines.pop() ?? ""
    const done = lines.map((line) => `${lastState(line)}\n`).join("")
    return this.#held.length <= longestHeld ? done : done + this.#relieve()
  }

  /** Makes room: by what was redrawn, else by what comes first. */
  #relieve(): string {
    const state = lastState(this.#held)
    const { length } = this.#held
    const sequence = this.#held.lastIndexOf("\u001b")
    // A carriage return at the very end may still take effect, or be part of a newline.
    const settled = Math.min(sequence === -1 ? length : sequence, this.#held.trimEnd().length)
    const open = this.#held.slice(Math.max(settled, length - longestSequence))
    const kept = lastState(this.#held.slice(0, length - open.length))
    if (state.length <= longestHeld / 2) {
      this.#held = kept + open
      return ""
    }
    this.#held = open
    return kept
  }
}

/** All of an output at once. */
export const condense = (text: string): string => {
  const condenser = new Condenser()
  return condenser.push(new TextEncoder().encode(text)) + condenser.end()
}
