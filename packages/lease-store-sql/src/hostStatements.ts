import { type Beat, hostSilence } from "@cordon/core"
import type { Terms } from "./terms.ts"

/** Reads the ID of the store. */
export const readStoreId = ({ sql }: Terms) => sql`SELECT id FROM cordon_store`

/** Lets time pass for a host; no row if another host, with another mark, beats under this ID. */
export const beatHost = (
  { sql, now, number, passed }: Terms,
  host: string,
  { step, mark }: Beat,
) => sql`
  INSERT INTO cordon_clocks (host, time, seen_at, step, mark)
  VALUES (${host}, ${now}, ${now}, ${number(step)}, ${mark})
  ON CONFLICT (host) DO UPDATE SET
    time = cordon_clocks.time
      + ${passed("cordon_clocks.seen_at", "cordon_clocks.step", "excluded.seen_at")},
    seen_at = excluded.seen_at, step = excluded.step, mark = excluded.mark
  WHERE cordon_clocks.mark = excluded.mark
    OR excluded.seen_at - cordon_clocks.seen_at > ${number(hostSilence)}
  RETURNING host`

/** Takes the turn to look after a host for so many milliseconds; no row if another program has it. */
export const takeTurn = ({ sql, number, time }: Terms, host: string, lasting: number) => sql`
  INSERT INTO cordon_turns (host, until) VALUES (${host}, ${time(host)} + ${number(lasting)})
  ON CONFLICT (host) DO UPDATE SET until = excluded.until
  WHERE cordon_turns.until <= ${time(host)}
  RETURNING host`
