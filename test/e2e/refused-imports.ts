import assert from "node:assert/strict";

import { Code, ConnectError } from "@connectrpc/connect";

import type { ImportClaims } from "../../lib/grant-claims.ts";
import { bytesReceived, bytesSent } from "../harness/agent-metrics.ts";
import { loadImage } from "../harness/load-image.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { createGrantMaker, type GrantMaker } from "./grants.ts";

/** What is asked of which node with which grant; the rest is as in a good call. */
export interface Attempt {
  readonly grant: string;
  readonly request?: Partial<ReturnType<GrantMaker["request"]>>;
  /** default "b", the grant's target */
  readonly node?: string;
}

/** What is wrong with a grant, an import with it, and what the agent has to say. */
export type Refusal = readonly [
  what: string,
  attempt: () => Attempt | Promise<Attempt>,
  words: RegExp,
  /** default permission_denied */
  code?: Code,
];

/** An image on node a, the grants to bring it to node b, and a way to see that nothing of that happens. */
export interface RefusedImports {
  readonly rig: Rig;
  readonly moved: UniqueImage;
  readonly grants: GrantMaker;
  /** what clients were told so far */
  readonly messages: readonly string[];
  /** a good call with a grant that is good but for these claims */
  claiming(changes: Partial<ImportClaims>): Promise<Attempt>;
  /** a good grant with a call that is good but for this */
  asking(request: Attempt["request"] & {}): Promise<Attempt>;
  /** Asserts that an import is refused with code and words, and that nothing has moved and nothing is left. */
  assertRefused(attempt: Attempt, words: RegExp, code?: Code): Promise<void>;
}

/** Starts two nodes, which log everything, and puts an image on the first. */
export async function startRefusedImports(title: string): Promise<RefusedImports> {
  const everything = { agent: { args: ["--log-level", "debug"] } };
  const rig = await startSharedRig({ a: everything, b: everything });
  const [a, b] = [rig.node("a"), rig.node("b")];
  const moved = await uniqueImage(title, { layers: [100_000] });
  await loadImage(a.containerd, moved.image, { names: [moved.name] });
  const grants = createGrantMaker(rig, {
    image: moved.image,
    names: [moved.name],
    target: "b",
    sources: ["a"],
  });
  const messages: string[] = [];
  const quiet = await lookAround();

  /** All that an import could have moved or left. */
  async function lookAround(): Promise<unknown> {
    return {
      sent: await bytesSent(a.agent),
      received: await bytesReceived(b.agent),
      content: await b.ctr.content(),
      images: await b.ctr.images(),
      ingests: await b.ctr.ingests(),
      leases: [await a.ctr.leases(), await b.ctr.leases()],
    };
  }

  async function claiming(changes: Partial<ImportClaims>): Promise<Attempt> {
    return { grant: await grants.sign(await grants.importClaims(changes)) };
  }

  return {
    rig,
    moved,
    grants,
    messages,
    claiming,
    async asking(request) {
      return { ...(await claiming({})), request };
    },
    async assertRefused({ grant, request, node = "b" }, words, code = Code.PermissionDenied) {
      const events: unknown[] = [];
      const call = rig.node(node).controller.importImage({ ...grants.request(), ...request, grant });
      const error = await drain(call, events).then(
        () => undefined,
        (reason: unknown) => ConnectError.from(reason),
      );
      assert.ok(error, "the import was not refused");
      messages.push(error.message);
      assert.equal(Code[error.code], Code[code], error.rawMessage);
      assert.match(error.rawMessage, words);
      assert.deepEqual(events, [], "messages before the refusal");
      assert.deepEqual(await lookAround(), quiet);
    },
  };
}

async function drain<T>(stream: AsyncIterable<T>, into: T[]): Promise<void> {
  for await (const item of stream) into.push(item);
}
