import type { ApiServer } from "../../test/harness/apiserver/types.ts";
import type { ManualClock } from "../../test/harness/manual-clock.ts";
import { roundTrips } from "../../test/harness/round-trips.ts";
import { waitFor } from "../../test/harness/wait.ts";

/** Lets time pass in steps of so many milliseconds until something is so; network and timers both get their turn. */
export async function passUntil(
  { server, clock }: { readonly server: ApiServer; readonly clock: ManualClock },
  what: string,
  check: () => boolean,
  stepMs: number,
): Promise<void> {
  await waitFor(
    what,
    async () => {
      if (check()) return true;
      await clock.advance(stepMs);
      await roundTrips(server);
      return check();
    },
    { intervalMs: 5 },
  );
}
