import assert from "node:assert/strict";
import { once } from "node:events";
import { mkdir, rename, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { after, before, describe, test } from "node:test";
import tls from "node:tls";

import { Code, ConnectError, createClient, type Client } from "@connectrpc/connect";
import { createConnectTransport } from "@connectrpc/connect-node";

import { ROLES } from "../../lib/roles.ts";
import { clientTlsOptions, type TlsMaterial } from "../../lib/tls.ts";
import { AgentService } from "../../proto/gen/tote/agent/v1/agent_pb.ts";
import { loadImage } from "../harness/load-image.ts";
import { createPki, type Pki } from "../harness/pki.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { startImport, type RunningImport } from "../harness/running-import.ts";
import { uniqueImage, type UniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { createGrantMaker } from "./grants.ts";
import { assertSalvaged } from "./salvaged.ts";
import { assertNoSecrets } from "./secrets.ts";

/** The agents look at their files every ten seconds. */
const RELOAD_TIMEOUT_MS = 20_000;
/** A transfer that lasts for three reloads and some seconds: 40 s. */
const LAYERS = Array.from({ length: 8 }, () => 900_000);
const BYTES_PER_SECOND = 200_000;
const NODES = ["a", "b"] as const;

describe("certificates that change while an import runs", () => {
  let rig: Rig;
  let folder: string;
  let moved: UniqueImage;
  let running: RunningImport;
  let hasEnded = false;
  let versions = 0;
  const keys: string[] = [];

  before(async () => {
    rig = await startSharedRig({
      a: { agent: { args: ["--max-bandwidth", String(BYTES_PER_SECOND)] } },
      b: {},
    });
    folder = join(rig.cleanup.directory(), "certs");
    await swap(await rig.pki.role(ROLES.agent));
    for (const name of ["tls.crt", "tls.key", "ca.crt"])
      await replaceLink(`..data/${name}`, join(folder, name));
    moved = await uniqueImage("reload", { layers: LAYERS });
    await loadImage(rig.node("a").containerd, moved.image, { names: [moved.name] });
    running = await startImport(rig, { image: moved.image, names: [moved.name], target: "b" });
    const end = (): boolean => (hasEnded = true);
    running.result.then(end, end);
  });
  after(() => rig.cleanup.run());

  /** Puts files in place as the kubelet does: a new folder, and a link to it that is swapped. */
  async function swap({ cert, key, ca }: TlsMaterial): Promise<void> {
    const version = `..version-${++versions}`;
    await mkdir(join(folder, version));
    await writeFile(join(folder, version, "tls.crt"), cert);
    await writeFile(join(folder, version, "tls.key"), key);
    await writeFile(join(folder, version, "ca.crt"), ca);
    await replaceLink(version, join(folder, "..data"));
    keys.push(key);
  }

  /** The serial number that an agent shows to a client that trusts any, or how the handshake failed. */
  async function serialOf(node: string, { cert, key }: TlsMaterial): Promise<string> {
    const { ip, port } = rig.node(node).agent;
    const socket = tls.connect({ host: ip, port, cert, key, rejectUnauthorized: false });
    try {
      await once(socket, "secureConnect", { signal: AbortSignal.timeout(5000) });
      return socket.getPeerCertificate().serialNumber;
    } finally {
      socket.destroy();
    }
  }

  /** Waits until both agents show another certificate than these. */
  async function untilChanged(from: readonly string[]): Promise<void> {
    const role = await rig.pki.role(ROLES.operator);
    for (const [at, node] of NODES.entries()) {
      await waitFor(
        `agent ${node} to show another certificate`,
        async () => (await serialOf(node, role)) !== from[at],
        {
          timeoutMs: RELOAD_TIMEOUT_MS,
        },
      );
    }
  }
  async function serials(): Promise<readonly string[]> {
    const role = await rig.pki.role(ROLES.operator);
    return Promise.all(NODES.map((node) => serialOf(node, role)));
  }
  async function nodeNames(pki: Pki): Promise<readonly string[]> {
    const operator = await pki.role(ROLES.operator);
    const ask = async (node: string) => (await (await rig.client(node, operator)).getNode({})).nodeName;
    return Promise.all(NODES.map(ask));
  }

  /** A client of the first CA that keeps one connection for all calls. */
  async function keepConnection(node: string): Promise<Client<typeof AgentService>> {
    const nodeOptions = clientTlsOptions(await rig.pki.role(ROLES.operator), ROLES.agent);
    const options = { baseUrl: rig.node(node).agent.url, httpVersion: "2", nodeOptions } as const;
    return createClient(AgentService, createConnectTransport(options));
  }

  test("files that do not belong together are reported, and the old ones stay in use", async () => {
    const known = await serials();
    const renewed = await rig.pki.issue([ROLES.agent]);
    await swap({ ...renewed, key: (await rig.pki.issue([ROLES.agent])).key });
    for (const node of NODES) {
      const { agent } = rig.node(node);
      const told = () => agent.logs().match(/.*certificates not reloaded.*/)?.[0];
      const line = await waitFor("the problem in the log", told, { timeoutMs: RELOAD_TIMEOUT_MS });
      assert.match(
        line,
        /"level":"error".*the key in \S+tls\.key does not belong to the certificate in \S+tls\.crt/,
      );
    }
    assert.deepEqual(await serials(), known);
    assert.deepEqual(await nodeNames(rig.pki), NODES);
  });

  test("renewed ones are shown to new connections, and no call fails meanwhile", async () => {
    const known = await serials();
    const stop = new AbortController();
    const traffic = callAllTheTime(stop.signal, () => nodeNames(rig.pki));
    await swap(await rig.pki.issue([ROLES.agent]));
    await untilChanged(known);
    stop.abort();
    const { calls, failures } = await traffic;
    assert.deepEqual(failures, []);
    assert.ok(calls > 20, `${calls} calls`);
  });

  test("those of another CA end the trust in the old one, for connections and for grants", async () => {
    const known = await serials();
    const next = await createPki("tote test CA, next");
    const kept = await Promise.all(NODES.map(keepConnection));
    for (const client of kept) await client.getNode({});
    await swap(await next.role(ROLES.agent));
    await untilChanged(known);
    assert.deepEqual(await nodeNames(next), NODES);
    for (const client of kept) await assert.rejects(client.getNode({}), "over a connection kept from before");
    for (const node of NODES) {
      const stale = { ...(await rig.pki.role(ROLES.controller)), ca: next.ca.cert };
      const client = await rig.client(node, stale);
      await assert.rejects(client.getNode({}), (error) => {
        assert.ok(error instanceof ConnectError && error.code !== Code.PermissionDenied, String(error));
        return true;
      });
    }

    const order = { image: moved.image, names: [moved.name], target: "b", sources: ["a"] };
    const grants = createGrantMaker(rig, order);
    const b = await rig.client("b", await next.role(ROLES.controller));
    const { digest } = grants.request();
    const stale = await grants.sign(await grants.importClaims());
    await assert.rejects(b.cancelImport({ digest, grant: stale }), /is not from our CA/);
    const fresh = await grants.sign(
      await grants.importClaims({ digest: `sha256:${"0".repeat(64)}` }),
      await next.role(ROLES.controller),
    );
    await assert.rejects(b.cancelImport({ digest, grant: fresh }), /grant is for image sha256:000/);
  });

  test("and all that time the import has run, and ends well", async () => {
    assert.equal(hasEnded, false, "the import was over before the last change");
    const layer = running.progress?.layers.find(({ offset }) => offset === 0n);
    assert.ok(layer, "a layer is left that comes over connections of the new CA");
    await assertSalvaged(rig.node("b"), moved, await running.result);
  });

  test("and no key shows in a log or a metric", async () => {
    const agents = NODES.map((node) => rig.node(node).agent);
    await assertNoSecrets({ agents, texts: [], tokens: [], keys });
  });
});

async function replaceLink(target: string, path: string): Promise<void> {
  await symlink(target, `${path}.new`);
  await rename(`${path}.new`, path);
}

/** Makes one call after the other until the signal fires. */
async function callAllTheTime(
  signal: AbortSignal,
  call: () => Promise<unknown>,
): Promise<{ readonly calls: number; readonly failures: readonly string[] }> {
  const failures: string[] = [];
  let calls = 0;
  while (!signal.aborted) {
    calls += 1;
    await call().catch((error: unknown) => failures.push(String(error)));
  }
  return { calls, failures };
}
