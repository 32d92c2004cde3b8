import assert from "node:assert/strict";
import { test } from "node:test";

import { natRules, servicePorts } from "./service-rules.ts";

const services = {
  items: [
    {
      metadata: { namespace: "default", name: "kubernetes" },
      spec: { clusterIP: "10.215.0.1", ports: [{ name: "https", port: 443 }] },
    },
    {
      metadata: { namespace: "tote-system", name: "tote-relay" },
      spec: { clusterIP: "10.215.0.7", ports: [{ name: "relay", port: 8090 }] },
    },
    { metadata: { namespace: "db", name: "headless" }, spec: { clusterIP: "None", ports: [{ port: 1 }] } },
  ],
};
const endpoints = {
  items: [
    {
      metadata: { namespace: "default", name: "kubernetes" },
      subsets: [{ addresses: [{ ip: "10.214.0.2" }], ports: [{ name: "https", port: 6443 }] }],
    },
    {
      metadata: { namespace: "tote-system", name: "tote-relay" },
      subsets: [
        {
          addresses: [{ ip: "10.214.11.3" }, { ip: "10.214.12.3" }],
          notReadyAddresses: [{ ip: "10.214.13.3" }],
          ports: [{ name: "relay", port: 8090 }],
        },
      ],
    },
  ],
};

test("a Service leads to those of its endpoints that are ready, each as often", () => {
  const rules = natRules(servicePorts(services, endpoints))
    .split("\n")
    .filter((line) => line.startsWith("-A PREROUTING"));
  assert.deepEqual(rules, [
    "-A PREROUTING -d 10.215.0.1/32 -p tcp --dport 443 -j DNAT --to-destination 10.214.0.2:6443",
    "-A PREROUTING -d 10.215.0.7/32 -p tcp --dport 8090 -m statistic --mode random --probability 0.500000 -j DNAT --to-destination 10.214.11.3:8090",
    "-A PREROUTING -d 10.215.0.7/32 -p tcp --dport 8090 -j DNAT --to-destination 10.214.12.3:8090",
  ]);
});

test("a Service without endpoints leads nowhere", () => {
  const [port] = servicePorts(services, { items: [] });
  assert.deepEqual(port?.targets, []);
});
