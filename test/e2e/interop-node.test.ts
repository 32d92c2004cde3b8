import assert from "node:assert/strict";
import { readFile, statfs } from "node:fs/promises";
import process from "node:process";
import { after, before, describe, test } from "node:test";

import { Code, ConnectError } from "@connectrpc/connect";

import { ROLES } from "../../lib/roles.ts";
import {
  Health,
  HealthCheckResponse_ServingStatus as ServingStatus,
} from "../../proto/gen/grpc/health/v1/health_pb.ts";
import { readMetric, readyz } from "../harness/agent-metrics.ts";
import { pullImage } from "../harness/cri.ts";
import { parseMetrics } from "../harness/metrics.ts";
import { startRegistry } from "../harness/registry.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { uniqueImage } from "../harness/unique-image.ts";
import { waitFor } from "../harness/wait.ts";
import { GrpcClient } from "./grpc-client.ts";

/** What is promised: names, types and labels. */
const METRICS: Readonly<Record<string, readonly [type: string, ...labels: readonly string[]]>> = {
  tote_agent_rpc_requests_total: ["counter", "code", "method"],
  tote_agent_rpc_duration_seconds: ["histogram", "method"],
  tote_agent_transfer_bytes_total: ["counter", "direction"],
  tote_agent_imports_total: ["counter", "result"],
  tote_agent_import_duration_seconds: ["histogram"],
  tote_agent_active_transfers: ["gauge"],
  tote_agent_containerd_up: ["gauge"],
  tote_agent_insecure: ["gauge"],
  tote_tls_certificate_not_after_timestamp_seconds: ["gauge", "use"],
  tote_tls_certificate_lifetime_seconds: ["gauge", "use"],
};

describe("what an agent tells of its node", () => {
  let rig: Rig;
  before(async () => {
    const other = { discardUnpackedLayers: true, snapshotter: "native" } as const;
    rig = await startSharedRig({ a: {}, other: { containerd: other } });
  });
  after(() => rig.cleanup.run());

  test("GetNode has names, versions, platform and the room on the filesystem of containerd's root", async () => {
    const { containerd, controller } = rig.node("a");
    const packageJson = JSON.parse(await readFile(new URL("../../package.json", import.meta.url), "utf8"));
    const node = await controller.getNode({});
    assert.equal(node.nodeName, "a");
    assert.equal(node.agentVersion, packageJson.version);
    assert.ok(node.containerdVersion.includes(containerd.version), node.containerdVersion);
    assert.equal(node.platform?.os, "linux");
    assert.equal(node.platform.architecture, process.arch === "x64" ? "amd64" : process.arch);
    assert.equal(node.snapshotter, "overlayfs");
    assert.equal(node.keepsLayers, true);
    assert.deepEqual([node.activeImports, node.activeExports], [0, 0]);

    const { bavail, blocks, bsize } = await statfs(containerd.root);
    const near = (found: bigint | undefined, expected: number): boolean =>
      Math.abs(Number(found) - expected) < 500 * 2 ** 20;
    assert.ok(
      near(node.imageFsFreeBytes, bavail * bsize),
      `${node.imageFsFreeBytes} free, not ${bavail * bsize}`,
    );
    assert.equal(Number(node.imageFsTotalBytes), blocks * bsize);
  });

  test("GetNode tells another snapshotter, and that unpacked layers are discarded", async () => {
    const other = rig.node("other");
    // containerd 2 tells of discarding by what its pulls leave, not by its configuration
    const registry = await startRegistry({ cleanup: rig.cleanup });
    await registry.attach(other.containerd, "registry.test:5000");
    const { image, name } = await uniqueImage("discarding", { layers: [1000] });
    await registry.add("discarding:v1", image);
    await pullImage(other.containerd, name);
    await other.ctr.forceGc();
    const node = await other.controller.getNode({});
    assert.equal(node.nodeName, "other");
    assert.equal(node.snapshotter, "native");
    assert.equal(node.keepsLayers, false);
  });

  test("/metrics has every promised name with its type and labels, in the form that Prometheus takes", async () => {
    const { agent, controller } = rig.node("a");
    const calls = 'tote_agent_rpc_requests_total{method="GetNode",code="ok"}';
    const denials = 'tote_agent_rpc_requests_total{method="GetNode",code="permission_denied"}';
    const counted = await readMetric(agent, calls);
    await controller.getNode({});
    const relay = await rig.client("a", ROLES.relay);
    await assert.rejects(relay.getNode({}));
    assert.equal(await readMetric(agent, calls), counted + 1);
    assert.equal(await readMetric(agent, denials), 1);
    assert.equal(await readMetric(agent, "tote_agent_insecure"), 0);

    const answer = await fetch(`${agent.metricsUrl}/metrics`);
    assert.match(answer.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
    const families = parseMetrics(await answer.text());
    for (const [name, [type, ...labels]] of Object.entries(METRICS)) {
      const family = families.get(name);
      assert.equal(family?.type, type, name);
      const found = new Set(family.samples.flatMap((sample) => Object.keys(sample.labels)));
      found.delete("le");
      assert.deepEqual([...found].sort(), labels, `labels of ${name}`);
    }
    const foreign = [...families.keys()].filter((name) => name.startsWith("tote_") && !(name in METRICS));
    assert.deepEqual(foreign, [], "metrics that nobody was told of");
  });

  test("health, /readyz and the gauge follow containerd together, down and up again", async () => {
    const { agent, containerd, controller } = rig.node("a");
    const client = new GrpcClient(agent, await rig.pki.role(ROLES.operator));
    const watched: ServingStatus[] = [];
    const stop = new AbortController();
    const watching = (async () => {
      for await (const { status } of client.stream(Health.method.watch, {})) {
        watched.push(status);
        if (stop.signal.aborted) return;
      }
    })();
    const state = async () => ({
      watch: watched.at(-1),
      check: (await client.unary(Health.method.check, {})).status,
      ready: (await readyz(agent)).status,
      up: await readMetric(agent, "tote_agent_containerd_up"),
    });
    const untilAll = (status: ServingStatus, ready: number, up: number): Promise<unknown> =>
      waitFor(`health ${status}, /readyz ${ready} and the gauge ${up}`, async () => {
        const now = await state();
        return now.watch === status && now.check === status && now.ready === ready && now.up === up;
      });
    await untilAll(ServingStatus.SERVING, 200, 1);

    await containerd.kill();
    await untilAll(ServingStatus.NOT_SERVING, 503, 0);
    assert.match(
      (await readyz(agent)).text,
      new RegExp(`^not ready: containerd does not answer at ${containerd.socket}$`, "m"),
    );
    assert.equal((await fetch(`${agent.metricsUrl}/healthz`)).status, 200, "the process itself is well");
    await assert.rejects(controller.getNode({}), (error) => {
      assert.ok(error instanceof ConnectError && error.code === Code.Unavailable, String(error));
      assert.ok(error.rawMessage.includes(containerd.socket), error.rawMessage);
      return true;
    });

    stop.abort();
    await containerd.restart();
    await untilAll(ServingStatus.SERVING, 200, 1);
    await watching;
    assert.deepEqual(watched, [ServingStatus.SERVING, ServingStatus.NOT_SERVING, ServingStatus.SERVING]);
    assert.equal((await controller.getNode({})).nodeName, "a");
    client.close();
  });
});
