import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";

import { Code, ConnectError, type Client } from "@connectrpc/connect";

import type { ExportClaims, ImportClaims } from "../../lib/grant-claims.ts";
import { ROLES } from "../../lib/roles.ts";
import type { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { bytesSent } from "../harness/agent-metrics.ts";
import { loadImage } from "../harness/load-image.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { createGrantMaker, encode, type GrantMaker } from "./grants.ts";

const seconds = (): number => Math.floor(Date.now() / 1000);
const STRANGE = `sha256:${"5".repeat(64)}`;

type AgentClient = Client<typeof AgentService>;
/** What is wrong with a call, the call, and what the agent has to say. */
type Row = readonly [what: string, call: () => Promise<unknown>, words: RegExp];

describe("grants for single blobs and for cancelling", () => {
  let rig: Rig;
  let moved: UniqueImage;
  let grants: GrantMaker;
  /** calls nodes as the agent of another node does */
  const peers = new Map<string, AgentClient>();

  before(async () => {
    rig = await startSharedRig({ a: {}, b: {} });
    moved = await uniqueImage("blobs", { layers: [100_000] });
    for (const node of ["a", "b"]) {
      await loadImage(rig.node(node).containerd, moved.image, { names: [moved.name] });
      peers.set(node, await rig.client(node, ROLES.agent));
    }
    grants = createGrantMaker(rig, { image: moved.image, names: [moved.name], target: "b", sources: ["a"] });
  });
  after(() => rig.cleanup.run());

  const root = (): string => moved.image.descriptor.digest;
  const layer = (): string => moved.image.layers[0]?.digest ?? "";
  const exporting = (changes: Partial<ExportClaims> = {}) => grants.sign(grants.exportClaims(changes));
  const importing = async (changes: Partial<ImportClaims> = {}) =>
    grants.sign(await grants.importClaims(changes));

  /** Reads a blob from node a, or another one. */
  async function read(
    grant: string,
    request: { readonly digest?: string; readonly imageDigest?: string; readonly node?: string } = {},
  ): Promise<number> {
    const { digest = layer(), imageDigest = root(), node = "a" } = request;
    let received = 0;
    const call = peers.get(node)?.exportBlob({ digest, imageDigest, grant });
    for await (const { data } of call ?? []) received += data.length;
    return received;
  }
  async function push(grant: string, digest: string): Promise<unknown> {
    const header = { part: { case: "header" as const, value: { digest, size: 5n, grant } } };
    return rig.node("b").controller.importBlob(only(header));
  }
  async function cancel(grant: string, node = "b"): Promise<unknown> {
    return rig.node(node).controller.cancelImport({ digest: root(), grant });
  }
  async function altered(): Promise<string> {
    const claims = grants.exportClaims();
    const [header, , signature] = (await grants.sign(claims)).split(".");
    return `${header}.${encode({ ...claims, blobs: [...claims.blobs, STRANGE] })}.${signature}`;
  }
  async function byAgent(): Promise<string> {
    return grants.sign(grants.exportClaims(), await rig.pki.role(ROLES.agent));
  }

  async function assertDenied(call: Promise<unknown>, words: RegExp): Promise<void> {
    const sent = await bytesSent(rig.node("a").agent);
    await assert.rejects(call, (error) => {
      assert.ok(error instanceof ConnectError, String(error));
      assert.equal(Code[error.code], "PermissionDenied", error.rawMessage);
      assert.match(error.rawMessage, words);
      return true;
    });
    assert.equal(await bytesSent(rig.node("a").agent), sent, "bytes that node a has sent");
    for (const node of ["a", "b"]) {
      assert.deepEqual(await rig.node(node).ctr.leases(), [], `leases on ${node}`);
      assert.deepEqual(await rig.node(node).ctr.ingests(), [], `ingests on ${node}`);
    }
  }

  const exports: readonly Row[] = [
    ["no grant", () => read(""), /^there is no grant/],
    ["an import grant", async () => read(await importing()), /^grant is for import, export is asked for$/],
    [
      "a blob outside the grant's list",
      async () => read(await exporting({ blobs: [root()] })),
      /^grant lists 1 blobs, "sha256:\w+" is not among them$/,
    ],
    [
      "a blob that is on no list and on no node",
      async () => read(await exporting(), { digest: STRANGE }),
      /"sha256:5+" is not among them$/,
    ],
    [
      "a blob on behalf of another image",
      async () => read(await exporting(), { imageDigest: STRANGE }),
      /^grant is for image sha256:\w+, not "sha256:5+"$/,
    ],
    [
      "a grant at a node that is no source",
      async () => read(await exporting(), { node: "b" }),
      /^grant does not name node "b" as source$/,
    ],
    [
      "an expired grant",
      async () => read(await exporting({ nbf: seconds() - 300, exp: seconds() - 61 })),
      /^grant expired at/,
    ],
    [
      "an early grant",
      async () => read(await exporting({ nbf: seconds() + 75, exp: seconds() + 300 })),
      /^grant is valid from/,
    ],
    ["an altered list", async () => read(await altered(), { digest: STRANGE }), /^signature of the grant/],
    ["a grant that an agent signed", async () => read(await byAgent()), /signed by tote-agent, only/],
  ];
  const pushes: readonly Row[] = [
    ["no grant", () => push("", STRANGE), /^there is no grant/],
    [
      "a blob outside the grant's list",
      async () => push(await importing(), STRANGE),
      /^grant lists 0 blobs, "sha256:5+" is not among them$/,
    ],
    [
      "an export grant",
      async () => push(await exporting({ blobs: [STRANGE] }), STRANGE),
      /^grant is for export, import is asked for$/,
    ],
    [
      "a grant for another node",
      async () => push(await importing({ target: { node: "a" }, blobs: [STRANGE] }), STRANGE),
      /^grant is for node "a", this is "b"$/,
    ],
  ];
  const cancels: readonly Row[] = [
    ["no grant", () => cancel(""), /^there is no grant/],
    ["an export grant", async () => cancel(await exporting()), /^grant is for export, import is asked for$/],
    [
      "a grant for another image",
      async () => cancel(await importing({ digest: STRANGE })),
      /^grant is for image sha256:5+, not/,
    ],
    [
      "a grant for another node",
      async () => cancel(await importing(), "a"),
      /^grant is for node "b", this is "a"$/,
    ],
    [
      "an expired grant",
      async () => cancel(await importing({ nbf: seconds() - 300, exp: seconds() - 61 })),
      /^grant expired at/,
    ],
  ];
  for (const [rpc, rows] of Object.entries({
    ExportBlob: exports,
    ImportBlob: pushes,
    CancelImport: cancels,
  })) {
    for (const [what, call, words] of rows) {
      test(`${rpc} with ${what} is denied`, async () => {
        await assertDenied(call(), words);
      });
    }
  }

  test("one signed by an older leader is denied once a newer has been seen, in every RPC", async () => {
    const forged = grants.forge(
      { alg: "ES256", x5c: ["x"] },
      grants.exportClaims({ epoch: 99 }),
      await rig.pki.role(ROLES.agent),
    );
    await assertDenied(read(forged), /x5c of the grant is not base64/);
    const words = /^grant was signed by leader 6, leader 7 has been seen since$/;
    await cancel(await importing({ epoch: 7 }));
    await assertDenied(cancel(await importing({ epoch: 6 })), words);
    await assertDenied(push(await importing({ epoch: 6, blobs: [STRANGE] }), STRANGE), words);
    const grant = await importing({ epoch: 6 });
    await assertDenied(drain(rig.node("b").controller.importImage({ ...grants.request(), grant })), words);

    // the source has not heard of leader 7 yet
    assert.ok((await read(await exporting({ epoch: 6 }))) > 0);
    assert.ok((await read(await exporting({ epoch: 7 }))) > 0);
    await assert.rejects(read(await exporting({ epoch: 6 })), (error) => {
      assert.ok(error instanceof ConnectError && error.code === Code.PermissionDenied, String(error));
      assert.match(error.rawMessage, words);
      return true;
    });
  });
});

async function* only<T>(message: T): AsyncGenerator<T> {
  yield message;
}

async function drain(stream: AsyncIterable<unknown>): Promise<void> {
  for await (const message of stream) assert.ok(message);
}
