import assert from "node:assert/strict";
import { Resolver } from "node:dns/promises";
import process from "node:process";
import { test } from "node:test";

import { createCleanup } from "../harness/cleanup.ts";
import { answerOf, startClusterDns } from "./cluster-dns.ts";

test("a resolver finds Services by name, and nothing else", async (t) => {
  const cleanup = createCleanup(t);
  // an address of loopback that nobody else listens on
  const address = `127.53.${process.pid % 250}.53`;
  const lookUp = (service: string): string | undefined =>
    service === "tote-system/tote-relay" ? "10.215.0.7" : undefined;
  await startClusterDns(address, lookUp, cleanup);
  const resolver = new Resolver();
  resolver.setServers([address]);
  assert.deepEqual(await resolver.resolve4("tote-relay.tote-system.svc.cluster.local"), ["10.215.0.7"]);
  await assert.rejects(resolver.resolve6("tote-relay.tote-system.svc.cluster.local"), { code: "ENODATA" });
  await assert.rejects(resolver.resolve4("other.tote-system.svc.cluster.local"), { code: "ENOTFOUND" });
  await assert.rejects(resolver.resolve4("registry.test"), { code: "ENOTFOUND" });
});

test("bytes that are no question get no answer", () => {
  assert.equal(
    answerOf(Buffer.from("not a question"), () => "10.0.0.1"),
    undefined,
  );
});
