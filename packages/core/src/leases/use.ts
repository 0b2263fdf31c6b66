import { type Duration, Effect, Stream } from "effect"
import { Incarnation, type SandboxTarget } from "../driver/Incarnation.ts"
import type { LeaseError } from "../errors.ts"
import type { Leases } from "../Leases.ts"
import type { HostLeases } from "./HostLeases.ts"
import type { Held, Uses } from "./uses.ts"

type Enter = (
  target: SandboxTarget,
  patience?: Duration.Duration,
) => Effect.Effect<Held, LeaseError>

/** Runs an effect while its sandbox's lease is renewed. */
export const makeUse =
  ({ condemned }: HostLeases, uses: Uses, enter: Enter): Leases["Service"]["use"] =>
  (target, patience) =>
  (effect) =>
    Effect.flatMap(enter(target, patience), (held) =>
      Effect.raceFirst(Effect.provideService(effect, Incarnation, target), uses.keep(held)).pipe(
        condemned.watch(held.lease),
        Effect.catch(uses.explain(held)),
        Effect.tap(() => uses.leave(held)),
      ),
    )

/** Runs a stream while its sandbox's lease is renewed. */
export const makeUseStream =
  ({ condemned }: HostLeases, uses: Uses, enter: Enter): Leases["Service"]["useStream"] =>
  (target, patience) =>
  (stream) =>
    Stream.unwrap(
      Effect.map(enter(target, patience), (held) =>
        stream.pipe(
          Stream.provideService(Incarnation, target),
          Stream.interruptWhen(uses.keep(held)),
          Stream.catch((error) =>
            Stream.fromEffectDrain(
              condemned
                .watch(held.lease)(Effect.fail(error))
                .pipe(Effect.catch(uses.explain(held))),
            ),
          ),
          Stream.concat(Stream.fromEffectDrain(uses.leave(held))),
        ),
      ),
    )
