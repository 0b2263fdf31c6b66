import { assert, it } from "vitest"
import { hello, onEachProgram, parseHello, readFrame } from "./support.ts"

await onEachProgram("cordon-init", (program) => {
  it("answers HELLO with the version that both speak", async () => {
    await using running = program.start()
    running.stdin.write(hello())
    const answer = await readFrame(running)
    assert.deepStrictEqual([answer.type, answer.channel], [1, 0])
    assert.deepInclude(parseHello(answer), { magic: 0x4e444f43, version: 1 })
  })

  it("ends by itself once no connection has lived for the removal time", async () => {
    await using running = program.start()
    running.stdin.end(hello(1, 1, 1))
    assert.strictEqual(await running.exited, 0)
  })
})
