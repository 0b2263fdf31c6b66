// Values of every kind that a test can throw; the summary has to name each one.
import { Cause, Context, Effect, Layer } from "effect"
import { it } from "vitest"
import { onLayer } from "../onLayer.ts"

const circular: { self?: unknown } = {}
circular.self = circular

class Hostile extends Error {
  override get message(): string {
    throw new Error("no message for you")
  }
}

for (const [name, thrown] of [
  ["an error", new Error("plain words\nand more")],
  ["an error without words", new Error()],
  ["a string", "only a string"],
  ["nothing", undefined],
  ["null", null],
  ["an object without a message", { code: 7 }],
  ["an object whose message is no text", { message: { deep: true } }],
  ["a circular object", circular],
  ["an Effect cause", Cause.fail(new Error("from a cause"))],
  ["an object that throws when it is read", new Hostile("x")],
] as const) {
  it(name, () => {
    throw thrown
  })
}

it("passes", () => {})
it("is left out, with its reason", (ctx) => ctx.skip("the same reason"))
it("is left out as well", (ctx) => ctx.skip("the same reason"))
it.skip("is left out without a reason")

class Service extends Context.Service<Service, string>()("test/reporter/Service") {}

onLayer(
  "a suite that can't run here",
  Layer.effect(Service, Effect.die("this was built")),
  { unavailable: "its engine is away" },
  (check) => {
    check("builds nothing", () => Service)
  },
)
