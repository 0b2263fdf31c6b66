import { EgressBroker, InvalidInput, type PortUnavailable, type WayOut } from "@cordon/core"
import { Effect, Layer, Stream } from "effect"

/**
 * A broker that writes down what it is asked to do, and lets nothing out. Rules for `bad.test` can't be.
 *
 * @param open what opening does
 */
export const recordingBroker = (
  log: Array<string>,
  open: Effect.Effect<void, PortUnavailable> = Effect.void,
): Layer.Layer<EgressBroker> =>
  Layer.succeed(
    EgressBroker,
    EgressBroker.of({
      check: (rules) =>
        "bad.test" in rules.allow
          ? Effect.fail(new InvalidInput({ subject: "egress rules", issue: "bad.test is bad" }))
          : Effect.void,
      make: Effect.fnUntraced(function* (given, sandbox) {
        let rules = given
        // As a real one, which makes an authority first.
        yield* Effect.yieldNow
        yield* Effect.acquireRelease(
          Effect.sync(() => void log.push("made")),
          () => Effect.sync(() => void log.push("closed")),
        )
        const way: WayOut = {
          rules: () => rules,
          env: () => ({
            HTTPS_PROXY: Object.keys(rules.allow).join(","),
            JAVA_TOOL_OPTIONS: "-Dhttps.proxyHost=127.0.0.1",
          }),
          open: () =>
            Effect.andThen(
              Effect.sync(() => void log.push(`opened for ${sandbox}`)),
              open,
            ),
          update: (next) =>
            Effect.sync(() => {
              rules = next
              log.push("updated")
            }),
          attempts: Effect.succeed([]),
          watch: Stream.empty,
        }
        return way
      }),
    }),
  )
