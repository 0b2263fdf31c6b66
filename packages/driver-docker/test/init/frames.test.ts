import { assert, describe, it } from "@effect/vitest"
import * as fc from "fast-check"
import { ProtocolFault } from "../../src/init/errors.ts"
import { type FrameHandler, FrameParser } from "../../src/init/frames.ts"
import { closed, credit, data, encode, end, type Frame, hello, opened } from "./fakeInit.ts"

/** Notes what it hears; pieces of one frame's data as one. */
class Notes implements FrameHandler {
  readonly heard: Array<string> = []
  #output: { readonly from: string; bytes: Buffer } | undefined

  flush(): void {
    if (this.#output !== undefined)
      this.#note(`${this.#output.from} ${this.#output.bytes.toString("hex")}`)
  }
  data(channel: number, stream: number, bytes: Uint8Array): void {
    const from = `data ${channel} ${stream}`
    if (this.#output?.from === from) this.#output.bytes = Buffer.concat([this.#output.bytes, bytes])
    else {
      this.flush()
      this.#output = { from, bytes: Buffer.from(bytes) }
    }
  }
  hello({ version, bootId }: Parameters<FrameHandler["hello"]>[0]): void {
    this.#note(`hello ${version} ${bootId}`)
  }
  pong(count: number): void {
    this.#note(`pong ${count}`)
  }
  opened(channel: number, pid: number, count: number): void {
    this.#note(`opened ${channel} ${pid} ${count}`)
  }
  end(channel: number): void {
    this.#note(`end ${channel}`)
  }
  credit(channel: number, count: number): void {
    this.#note(`credit ${channel} ${count}`)
  }
  closed(channel: number, ending: Parameters<FrameHandler["closed"]>[1]): void {
    this.#note(`closed ${channel} ${JSON.stringify(ending)}`)
  }
  #note(text: string): void {
    const output = this.#output
    this.#output = undefined
    if (output !== undefined && !text.startsWith(output.from)) {
      this.heard.push(`${output.from} ${output.bytes.toString("hex")}`)
    }
    this.heard.push(text)
  }
}

const hear = (pieces: Iterable<Uint8Array>): ReadonlyArray<string> => {
  const notes = new Notes()
  const parser = new FrameParser(notes)
  for (const piece of pieces) parser.push(piece)
  notes.flush()
  return notes.heard
}

function* cut(bytes: Uint8Array, sizes: ReadonlyArray<number>): Iterable<Uint8Array> {
  for (let at = 0, n = 0; at < bytes.length; n++) {
    const size = sizes[n % sizes.length] ?? 1
    yield bytes.subarray(at, at + size)
    at += size
  }
}

const channel = fc.integer({ min: 1, max: 2 ** 32 - 1 })
const anyFrame: fc.Arbitrary<Frame> = fc.oneof(
  fc.constant(hello()),
  fc.tuple(channel, fc.nat(), fc.nat()).map(([number, pid, count]) => opened(number, pid, count)),
  fc
    .tuple(channel, fc.integer({ min: 0, max: 2 }), fc.uint8Array({ maxLength: 400 }))
    .map(([number, stream, bytes]) => data(number, stream, bytes)),
  channel.map(end),
  fc.tuple(channel, fc.nat()).map(([number, count]) => credit(number, count)),
  fc
    .tuple(channel, fc.integer({ min: 1, max: 64 }), fc.nat({ max: 3 }), fc.nat({ max: 7 }))
    .map(([number, value, how, stage]) => closed(number, value, how, stage)),
)
/** As a later version would have them: with fields that this one does not know. */
const longer = (frame: Frame, more: Uint8Array): Frame =>
  frame.type === 4 ? frame : { ...frame, payload: Buffer.concat([frame.payload, more]) }

describe("FrameParser", () => {
  it("parses the same frames wherever the pieces end", () =>
    fc.assert(
      fc.property(
        fc.array(anyFrame),
        fc.array(fc.integer({ min: 1, max: 20 }), { minLength: 1 }),
        (frames, sizes) => {
          const wire = Buffer.concat(frames.map(encode))
          assert.deepStrictEqual(hear(cut(wire, sizes)), hear([wire]))
        },
      ),
    ))

  it("ignores unknown fields", () =>
    fc.assert(
      fc.property(fc.array(anyFrame), fc.uint8Array({ maxLength: 3000 }), (frames, more) => {
        const wire = Buffer.concat(frames.map((frame) => encode(longer(frame, more))))
        assert.deepStrictEqual(hear(cut(wire, [7])), hear([Buffer.concat(frames.map(encode))]))
      }),
    ))

  it("parses each field of a frame", () => {
    const frames = [hello(), opened(3, 9, 70_000), data(3, 2, "x"), end(3), closed(3, 9, 1, 0, 1)]
    assert.deepStrictEqual(hear([Buffer.concat(frames.map(encode))]), [
      "hello 1 00112233445566778899aabbccddeeff",
      "opened 3 9 70000",
      "data 3 2 78",
      "end 3",
      'closed 3 {"how":"signalled","value":9,"stage":"none","oomKilled":true}',
    ])
  })

  const refused: ReadonlyArray<readonly [string, Uint8Array]> = [
    ["text", Buffer.from("HTTP/1.1 400 Bad Request")],
    ["a type that there is not", encode({ type: 8, channel: 1, payload: new Uint8Array() })],
    ["type 0", encode({ type: 0, channel: 1, payload: new Uint8Array() })],
    ["output without a stream", encode({ type: 4, channel: 1, payload: new Uint8Array() })],
    ["output of stream 3", encode(data(1, 3, "x"))],
    ["output of more than 64 KiB", encode(data(1, 1, new Uint8Array(64 * 1024)))],
    ["a frame of more than 1 MiB", encode(longer(opened(1), new Uint8Array(2 ** 20)))],
    ["a frame that is too short", encode({ ...opened(1), payload: new Uint8Array(7) })],
    ["a frame for channel 0", encode(opened(0))],
    ["a greeting for a channel", encode({ ...hello(), channel: 1 })],
    ["a greeting without the magic", encode({ ...hello(), payload: new Uint8Array(32) })],
    ["an end of no known kind", encode(closed(1, 0, 4))],
    ["an end at no known stage", encode(closed(1, 0, 2, 8))],
    ["signal 0", encode(closed(1, 0, 1))],
    ["signal 65", encode(closed(1, 65, 1))],
  ]
  for (const [name, bytes] of refused) {
    it(`refuses ${name}`, () => {
      assert.throws(() => hear([bytes]), ProtocolFault)
      assert.throws(() => hear(cut(bytes, [1])), ProtocolFault)
    })
  }

  it("refuses a frame by its header, before its payload arrives", () => {
    assert.throws(
      () => hear([encode(data(1, 1, new Uint8Array(2 ** 20))).subarray(0, 9)]),
      ProtocolFault,
    )
  })

  it("parses random bytes to their end, or refuses them", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 200 }), (bytes) => {
        try {
          hear(cut(bytes, [3]))
        } catch (cause) {
          assert.instanceOf(cause, ProtocolFault)
        }
      }),
    ))
})
