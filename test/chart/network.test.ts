import assert from "node:assert/strict";
import { before, suite, test } from "node:test";

import { asObject, asObjects } from "../../controller/objects/json.ts";
import { find, NAMESPACE, render, type Manifest } from "./helm.ts";
import { isAllowed, type End } from "./network-policy.ts";
import { VALUE_SETS } from "./value-sets.ts";

const pod = (component: string, namespace = NAMESPACE, instance = "tote"): End => ({
  kind: "pod",
  namespace,
  labels: {
    "app.kubernetes.io/name": "tote",
    "app.kubernetes.io/instance": instance,
    "app.kubernetes.io/component": component,
  },
});
const address = (ip: string): End => ({ kind: "address", ip });

const CONTROLLER = pod("controller");
const AGENT = pod("agent");
const RELAY = pod("relay");
const CERTS = pod("certs");
const TEST = pod("test");
const STRANGER: End = { kind: "pod", namespace: "shop", labels: { app: "web" } };
const IMPOSTOR = pod("controller", "shop");
const PROMETHEUS: End = { kind: "pod", namespace: "monitoring", labels: { app: "prometheus" } };
const DNS: End = { kind: "pod", namespace: "kube-system", labels: { "k8s-app": "kube-dns" } };
const API_SERVER = address("10.0.0.1");
const RECEIVER = address("203.0.113.7");
const METADATA = address("169.254.169.254");
const NODE = address("10.0.0.9");

type Row = readonly [who: string, from: End, to: End, port: number, protocol?: "TCP" | "UDP"];

/** With the values "full": API server at 10.0.0.1, Prometheus in "monitoring", receivers on 443. */
const LET: readonly Row[] = [
  ["controller to agents", CONTROLLER, AGENT, 9090],
  ["controller to the relay", CONTROLLER, RELAY, 8090],
  ["controller to the API server", CONTROLLER, API_SERVER, 6443],
  ["controller to DNS", CONTROLLER, DNS, 53, "UDP"],
  ["agent to agent", AGENT, AGENT, 9090],
  ["doctor to agents", TEST, AGENT, 9090],
  ["API server to the webhook", API_SERVER, CONTROLLER, 9443],
  ["Prometheus to the controller", PROMETHEUS, CONTROLLER, 8080],
  ["Prometheus to agents", PROMETHEUS, AGENT, 8081],
  ["Prometheus to the relay", PROMETHEUS, RELAY, 8081],
  ["relay to receivers", RELAY, RECEIVER, 443],
  ["relay to DNS", RELAY, DNS, 53, "UDP"],
  ["certificates' job to the API server", CERTS, API_SERVER, 443],
  ["doctor to the API server", TEST, API_SERVER, 443],
];

const KEPT_OUT: readonly Row[] = [
  ["strangers to agents", STRANGER, AGENT, 9090],
  ["strangers to the relay", STRANGER, RELAY, 8090],
  ["strangers to metrics of the controller", STRANGER, CONTROLLER, 8080],
  ["strangers to metrics of agents", STRANGER, AGENT, 8081],
  ["strangers to the webhook", STRANGER, CONTROLLER, 9443],
  ["other addresses to the webhook", NODE, CONTROLLER, 9443],
  ["pods with our labels in other namespaces", IMPOSTOR, AGENT, 9090],
  ["another release's controller", pod("controller", NAMESPACE, "other"), AGENT, 9090],
  ["the relay to agents", RELAY, AGENT, 9090],
  ["agents to the relay", AGENT, RELAY, 8090],
  ["agents to the API server", AGENT, API_SERVER, 6443],
  ["agents to anywhere", AGENT, RECEIVER, 443],
  ["agents to DNS", AGENT, DNS, 53, "UDP"],
  ["controller to anywhere", CONTROLLER, RECEIVER, 443],
  ["controller to other ports of agents", CONTROLLER, AGENT, 22],
  ["relay to cloud metadata", RELAY, METADATA, 443],
  ["relay to other ports of receivers", RELAY, RECEIVER, 22],
  ["anybody to the certificates' job", CONTROLLER, CERTS, 8080],
  ["certificates' job to anywhere", CERTS, RECEIVER, 443],
  ["doctor to anywhere", TEST, RECEIVER, 443],
  ["anybody to doctor", CONTROLLER, TEST, 8080],
];

/** Where the relay's policy lets it go to, besides DNS. */
function receivers(manifests: readonly Manifest[]): readonly unknown[] {
  const { egress } = asObject(find(manifests, "NetworkPolicy", "tote-relay")["spec"]);
  return asObjects(egress, 10)
    .flatMap(({ to }) => asObjects(to, 10))
    .flatMap(({ ipBlock }) => (ipBlock === undefined ? [] : [ipBlock]));
}

void suite("network policies", () => {
  let full: readonly Manifest[] = [];
  before(async () => {
    full = await render(VALUE_SETS["full"]);
  });

  for (const [who, from, to, port, protocol = "TCP"] of LET) {
    void test(`let ${who} through`, () => assert.equal(isAllowed(full, { from, to, port, protocol }), true));
  }
  for (const [who, from, to, port, protocol = "TCP"] of KEPT_OUT) {
    void test(`keep out: ${who}`, () => assert.equal(isAllowed(full, { from, to, port, protocol }), false));
  }

  void test("by default the API server and Prometheus may be anywhere, agents are closed all the same", async () => {
    const manifests = await render();
    assert.ok(isAllowed(manifests, { from: CONTROLLER, to: API_SERVER, port: 16_443 }));
    assert.ok(isAllowed(manifests, { from: STRANGER, to: CONTROLLER, port: 8080 }));
    assert.ok(!isAllowed(manifests, { from: STRANGER, to: AGENT, port: 9090 }));
    assert.ok(!isAllowed(manifests, { from: CONTROLLER, to: RECEIVER, port: 80 }));
  });

  void test("a list without entries closes what it is about, and so does none", async () => {
    for (const none of [[], null]) {
      const { relay } = asObject(VALUE_SETS["full"]);
      const manifests = await render({ relay, networkPolicy: { relay: { cidrs: none } } });
      assert.ok(!isAllowed(manifests, { from: RELAY, to: RECEIVER, port: 443 }));
      assert.ok(isAllowed(manifests, { from: RELAY, to: DNS, port: 53, protocol: "UDP" }));
    }
    const ports = { apiServer: { ports: null }, dns: { ports: null } };
    const manifests = await render({ networkPolicy: ports });
    assert.ok(!isAllowed(manifests, { from: CONTROLLER, to: API_SERVER, port: 443 }));
    assert.ok(!isAllowed(manifests, { from: CONTROLLER, to: DNS, port: 53, protocol: "UDP" }));
    for (const name of ["apiServer", "dns"]) {
      await assert.rejects(render({ networkPolicy: { [name]: { ports: [] } } }), new RegExp(name));
    }
  });

  void test("narrowed CIDRs of receivers are open as they are, exceptions are for those that end in /0", async () => {
    const manifests = await render(VALUE_SETS["narrowed"]);
    assert.ok(isAllowed(manifests, { from: RELAY, to: RECEIVER, port: 443 }));
    assert.ok(!isAllowed(manifests, { from: RELAY, to: NODE, port: 443 }));
    assert.ok(!isAllowed(manifests, { from: RELAY, to: METADATA, port: 443 }));
    assert.deepEqual(receivers(manifests), [{ cidr: "203.0.113.0/24" }, { cidr: "2001:db8::/32" }]);

    const relay = {
      cidrs: ["203.0.113.0/24", "0.0.0.0/0", "::/0"],
      except: ["169.254.0.0/16", "fd00:ec2::/32"],
    };
    assert.deepEqual(receivers(await render({ ...VALUE_SETS["narrowed"], networkPolicy: { relay } })), [
      { cidr: "203.0.113.0/24" },
      { cidr: "0.0.0.0/0", except: ["169.254.0.0/16"] },
      { cidr: "::/0", except: ["fd00:ec2::/32"] },
    ]);
  });

  void test("DNS may listen elsewhere", async () => {
    const manifests = await render({ networkPolicy: { dns: { ports: [5353] } } });
    assert.ok(isAllowed(manifests, { from: CONTROLLER, to: DNS, port: 5353, protocol: "UDP" }));
    assert.ok(!isAllowed(manifests, { from: CONTROLLER, to: DNS, port: 53, protocol: "UDP" }));
  });

  void test("jobs reach the API server in a closed namespace before anything is installed, and after", async () => {
    for (const name of ["default", "full", "insecure", "certManager", "ownSecrets"]) {
      const hooks = (await render(VALUE_SETS[name])).filter((one) => {
        return one.kind === "NetworkPolicy" && one.name === "tote-certs-hook";
      });
      assert.equal(hooks.length, 1, name);
      assert.ok(isAllowed(hooks, { from: CERTS, to: API_SERVER, port: 6443 }), name);
      assert.ok(!isAllowed(hooks, { from: CERTS, to: RECEIVER, port: 80 }), name);
    }
  });

  void test("agents in a namespace of their own are reached there, and only from the release's", async () => {
    const manifests = await render(VALUE_SETS["agentNamespace"]);
    const agent = pod("agent", "tote-agents");
    assert.ok(isAllowed(manifests, { from: CONTROLLER, to: agent, port: 9090 }));
    assert.ok(isAllowed(manifests, { from: agent, to: agent, port: 9090 }));
    assert.ok(!isAllowed(manifests, { from: pod("controller", "tote-agents"), to: agent, port: 9090 }));
  });
});
