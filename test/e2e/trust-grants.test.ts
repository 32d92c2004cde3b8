import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Code } from "@connectrpc/connect";

import { ROLES } from "../../lib/roles.ts";
import { bytesSent } from "../harness/agent-metrics.ts";
import { encode, type GrantMaker } from "./grants.ts";
import { startRefusedImports, type Attempt, type Refusal, type RefusedImports } from "./refused-imports.ts";
import { assertSalvaged } from "./salvaged.ts";
import { assertNoSecrets } from "./secrets.ts";

const seconds = (): number => Math.floor(Date.now() / 1000);

describe("an import is refused, before anything moves, when its grant", () => {
  let imports: RefusedImports;
  let grants: GrantMaker;
  const claiming: RefusedImports["claiming"] = (changes) => imports.claiming(changes);
  const asking: RefusedImports["asking"] = (request) => imports.asking(request);
  before(async () => {
    imports = await startRefusedImports("granted");
    ({ grants } = imports);
  });
  after(() => imports.rig.cleanup.run());

  /** Both the grant and the call name this source. */
  async function fromSource(endpoint: string): Promise<Attempt> {
    const sources = [{ node: "a", endpoint }];
    return { ...(await claiming({ sources })), request: { sources } };
  }
  /** A grant with another payload than the one that was signed, and a call that wants what it says. */
  async function altered(): Promise<Attempt> {
    const claims = await grants.importClaims();
    const names = [...claims.names, "b.test/extra:v1"];
    const [header, , signature] = (await grants.sign(claims)).split(".");
    return { grant: `${header}.${encode({ ...claims, names })}.${signature}`, request: { names } };
  }
  const agentUrl = (): string => imports.rig.node("a").agent.url;
  const configDigest = (): string => imports.moved.image.config.digest;

  const rows: readonly Refusal[] = [
    ["was altered", altered, /^signature of the grant does not belong to its content$/],
    [
      "expired longer ago than the leeway of a minute",
      () => claiming({ nbf: seconds() - 300, exp: seconds() - 61 }),
      /^grant expired at .* here it is .*: ask for a fresh one$/,
    ],
    [
      "begins later than the leeway of a minute",
      () => claiming({ nbf: seconds() + 75, exp: seconds() + 300 }),
      /^grant is valid from .* here it is .*: compare the clocks$/,
    ],
    ["ends before it begins", () => claiming({ exp: seconds() - 10 }), /^grant ends before it begins$/],
    ["is for another digest", () => asking({ digest: configDigest() }), /^grant is for image sha256:.*, not/],
    [
      "is for another node",
      async () => ({ ...(await asking({})), node: "a" }),
      /^grant is for node "b", this is "a"$/,
    ],
    [
      "lacks a name",
      () => asking({ names: [...grants.request().names, "nginx"] }),
      /^name "docker\.io\/library\/nginx:latest" is not in the grant$/,
    ],
    ["is for another name", () => asking({ names: ["nginx:1"] }), /"docker\.io\/library\/nginx:1" is not in/],
    [
      "has a name that the call lacks",
      () => claiming({ names: [...grants.request().names, "nginx"] }),
      /^name "docker\.io\/library\/nginx:latest" of the grant is missing in the request$/,
    ],
    ["has another max_bytes", () => asking({ maxBytes: 7n }), /^grant is for max_bytes 0, not 7$/],
    [
      "has a max_bytes that the call lacks",
      () => claiming({ max_bytes: 7 }),
      /^grant is for max_bytes 7, not 0$/,
    ],
    [
      "has the source at another address",
      () => asking({ sources: [{ node: "a", endpoint: `https://${imports.rig.network.hostIp}:9090` }] }),
      /^source "a" at https:\S+ is not in the grant$/,
    ],
    [
      "lacks a source",
      () => asking({ sources: [...grants.request().sources, { node: "c", endpoint: agentUrl() }] }),
      /^source "c" at https:\S+ is not in the grant$/,
    ],
    [
      "has a source that the call lacks",
      () => asking({ sources: [] }),
      /^source "a" at https:\S+ of the grant is missing in the request$/,
    ],
    [
      "is for reading from a source",
      async () => ({ grant: await grants.sign(grants.exportClaims()) }),
      /^grant is for export, import is asked for$/,
    ],
    [
      "and the call have a source over http",
      () => fromSource(agentUrl().replace("https", "http")),
      /^sources\[0\]\.endpoint: "http:\S+" is not https, must be like/,
      Code.InvalidArgument,
    ],
    [
      "and the call have a source by host name",
      () => fromSource("https://node-a:9090"),
      /^sources\[0\]\.endpoint: "https:\/\/node-a:9090" has a host that is not an IP address/,
      Code.InvalidArgument,
    ],
    [
      "and the call have a source with a path",
      () => fromSource(`${agentUrl()}/proxy`),
      /^sources\[0\]\.endpoint: "https:\S+\/proxy" has something after the port/,
      Code.InvalidArgument,
    ],
    [
      "and the call have a source without a port",
      () => fromSource("https://10.0.0.1"),
      /^sources\[0\]\.endpoint: "https:\/\/10\.0\.0\.1" has no explicit port/,
      Code.InvalidArgument,
    ],
  ];
  for (const [what, attempt, words, code] of rows) {
    test(what, async () => {
      await imports.assertRefused(await attempt(), words, code);
    });
  }

  test("while the good grant that they were all made from works", async () => {
    const { rig, moved } = imports;
    const grant = await grants.sign(await grants.importClaims());
    const call = rig.node("b").controller.importImage({ ...grants.request(), grant });
    const events = [];
    for await (const { event } of call) events.push(event);
    const last = events.at(-1);
    assert.equal(last?.case, "result");
    await assertSalvaged(rig.node("b"), moved, last.value);
    assert.ok((await bytesSent(rig.node("a").agent)) > 1_000_000);
  });

  test("and no grant or key shows in an error, a log at debug level or a metric", async () => {
    const { rig, messages } = imports;
    const agents = [rig.node("a").agent, rig.node("b").agent];
    assert.match(
      rig.node("b").agent.logs(),
      /signature of the grant does not belong/,
      "the log tells of refusals",
    );
    assert.ok(grants.made.length > rows.length && messages.length === rows.length);
    const keys = await Promise.all(Object.values(ROLES).map(async (role) => (await rig.pki.role(role)).key));
    await assertNoSecrets({ agents, texts: messages, tokens: grants.made, keys });
  });
});
