import assert from "node:assert/strict";
import { test } from "node:test";

import { waitFor } from "../../test/harness/wait.ts";
import { startReceiver } from "../testing/receiver.ts";
import { createAddressPolicy } from "./addresses.ts";
import type { Lookup } from "./connect.ts";
import { createHttpClient } from "./http-client.ts";
import { HttpFailure, type HttpClient } from "./http.ts";
import { shareLookups } from "./shared-lookup.ts";

/** Look-ups that end when the test says so. */
function heldLookup(): { readonly lookup: Lookup; readonly held: (readonly [string, () => void])[] } {
  const held: (readonly [string, () => void])[] = [];
  const lookup: Lookup = (hostname, callback) => {
    const address = `127.0.0.${held.length + 1}`;
    held.push([hostname, () => callback(null, [{ address, family: 4 }])]);
  };
  return { lookup, held };
}

test("whoever asks for a name that is being looked up has that answer, whoever asks later a new one", () => {
  const { lookup, held } = heldLookup();
  const shared = shareLookups(lookup);
  const found: string[] = [];
  const ask = (hostname: string): void =>
    shared(hostname, (_, addresses) => found.push(`${hostname} ${addresses[0]?.address ?? ""}`));
  for (const hostname of ["slow.test", "slow.test", "other.test", "slow.test"]) ask(hostname);
  assert.deepEqual(
    held.map(([hostname]) => hostname),
    ["slow.test", "other.test"],
  );
  held[1]?.[1]();
  held[0]?.[1]();
  assert.deepEqual(found, [
    "other.test 127.0.0.2",
    "slow.test 127.0.0.1",
    "slow.test 127.0.0.1",
    "slow.test 127.0.0.1",
  ]);
  ask("slow.test");
  held[2]?.[1]();
  assert.equal(found.at(-1), "slow.test 127.0.0.3");
});

test("a name that cannot be looked up is told to all who asked, and asked for anew", () => {
  const answers: string[] = [];
  let asked = 0;
  const shared = shareLookups((hostname, callback) => {
    asked += 1;
    callback(new Error(`no ${hostname}`), []);
  });
  for (let at = 0; at < 2; at += 1) {
    shared("gone.test", (error) => answers.push(error?.message ?? ""));
  }
  assert.deepEqual([asked, answers], [2, ["no gone.test", "no gone.test"]]);
});

test("each client that shares an answer checks it by its own policy", async (t) => {
  const receiver = await startReceiver(t);
  const { lookup, held } = heldLookup();
  const shared = shareLookups(lookup);
  let asked = 0;
  const counted: Lookup = (hostname, callback) => {
    asked += 1;
    shared(hostname, callback);
  };
  const client = (allow: readonly string[]): HttpClient => {
    const policy = createAddressPolicy({ allow, refusePrivate: false, alsoRefuse: [] });
    const tls = { ca: "", cert: "", key: "" };
    const made = createHttpClient({
      policy,
      tls,
      timeoutMs: 30_000,
      lookup: counted,
      proxyUrl: "",
      connections: 4,
    });
    t.after(() => made.close());
    return made;
  };
  const message = { url: `http://shared.test:${receiver.port}/`, headers: {}, body: "{}" };
  const clients = [client(["127.0.0.1/32"]), client([])];
  const answers = clients.map((one) => one.post(message, AbortSignal.timeout(30_000)));
  await waitFor("both to ask", () => asked === clients.length);
  held[0]?.[1]();
  const [allowed, refused] = await Promise.allSettled(answers);
  assert.equal(allowed?.status === "fulfilled" && allowed.value.status, 204);
  const reason: unknown = refused?.status === "rejected" ? refused.reason : undefined;
  assert.ok(reason instanceof HttpFailure);
  assert.equal(reason.reason, "address");
  assert.equal(held.length, 1);
});
