import { assert, describe, it } from "@effect/vitest"
import { listeningPorts } from "../src/sandbox/ports/listening.ts"

const head =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
const line = (number: number, local: string, state = "0A") => {
  const remote = `${"0".repeat(local.indexOf(":"))}:0000`
  return `${String(number).padStart(4)}: ${local} ${remote} ${state} 00000000:00000000 00:00000000 00000000     0        0 4026 1 0000000000000000 100 0 0 10 0\n`
}

describe("listeningPorts", () => {
  it("lists ports that are reachable through loopback", () => {
    const four = [
      line(0, "0100007F:1F90"),
      line(1, "00000000:0050"),
      // Another address of the sandbox, and a connection.
      line(2, "0200000A:0051"),
      line(3, "0100007F:0052", "01"),
    ]
    assert.deepStrictEqual(listeningPorts(head + four.join("")), [8080, 80])
    const six = [
      line(0, "00000000000000000000000001000000:0BB8"),
      line(1, "00000000000000000000000000000000:FFFF"),
      line(2, "0000000000000000FFFF00000100007F:0001"),
      line(12345, "000080FE000000000000000001000000:0052"),
    ]
    assert.deepStrictEqual(listeningPorts(head + six.join("")), [3000, 65_535, 1])
  })

  it("finds no port in text that is not a socket table", () => {
    for (const text of ["", head, "0A0100007F:1F90\n", line(0, "0100007F:1F9"), "\0".repeat(100)]) {
      assert.deepStrictEqual(listeningPorts(text), [])
    }
  })
})
