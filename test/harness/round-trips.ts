/**
 * Lets requests to a server of this process arrive and be answered that are on their way: some of its own have gone there
 * and back meanwhile. For tests whose clock stands still, and whose network does not.
 */
export async function roundTrips({ url }: { readonly url: string }, times = 4): Promise<void> {
  for (let n = 0; n < times; n += 1) await (await fetch(`${url}/version`)).text();
}
