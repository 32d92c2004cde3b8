import assert from "node:assert/strict";
import { before, suite, test } from "node:test";

import { readAgentConfig } from "../../agent/config.ts";
import { NONROOT_ID } from "../../build/image/image-config.ts";
import { ENSURE_FLAGS } from "../../controller/certs/ensure-command.ts";
import { readControllerConfig } from "../../controller/config.ts";
import { readDoctorConfig } from "../../controller/doctor/config.ts";
import { asObject, asObjects, asText } from "../../controller/objects/json.ts";
import { parseFlags } from "../../lib/flags.ts";
import { readRelayConfig } from "../../webhook-relay/config.ts";
import { argsOf, pods, render, type Json, type RenderedPod } from "./helm.ts";
import { baselineViolations, restrictedViolations } from "./pod-security.ts";
import { VALUE_SETS } from "./value-sets.ts";

void suite("pods of the chart", () => {
  const rendered: { readonly values: string; readonly pod: RenderedPod }[] = [];

  before(async () => {
    for (const [values, given] of Object.entries(VALUE_SETS)) {
      for (const pod of pods(await render(given))) rendered.push({ values, pod });
    }
  });

  function each(check: (pod: RenderedPod, where: string) => void, of = /./): void {
    const chosen = rendered.filter(({ pod }) => of.test(pod.of));
    assert.ok(chosen.length > 0);
    for (const { values, pod } of chosen) check(pod, `${pod.of} with values "${values}"`);
  }

  void test("all but the agent keep the Pod Security Standard restricted", () => {
    each(({ spec }, where) => assert.deepEqual(restrictedViolations(spec), [], where), /^(?!DaemonSet)/);
  });

  void test("the agent breaks it by two folders of the node and by being root, and by nothing else", () => {
    each(({ spec }, where) => {
      const { seLinuxOptions, ...context } = asObject(spec["securityContext"]);
      assert.ok(seLinuxOptions === undefined || where.includes('"full"'));
      const plain: Json = { ...spec, securityContext: context };
      const folders = ["HostPath Volumes: containerd-socket", "HostPath Volumes: containerd-content"];
      assert.deepEqual(baselineViolations(plain), folders, where);
      assert.deepEqual(restrictedViolations(plain), [
        ...folders,
        "Volume Types: hostPath",
        "Volume Types: hostPath",
        "Running as Non-root: agent",
        "Running as Non-root user: agent",
      ]);
    }, /^DaemonSet/);
  });

  void test("what breaks a standard would be seen", () => {
    const container = {
      name: "a",
      livenessProbe: { httpGet: { host: "10.0.0.1", port: 80 } },
      securityContext: {
        privileged: true,
        capabilities: { add: ["NET_ADMIN"] },
        appArmorProfile: { type: "Unconfined" },
        seccompProfile: { type: "Unconfined" },
        seLinuxOptions: { type: "spc_t", user: "root" },
        windowsOptions: { hostProcess: true },
        procMount: "Unmasked",
      },
      ports: [{ hostPort: 80 }],
    };
    const spec = { hostNetwork: true, containers: [container], securityContext: { sysctls: [{}] } };
    const controls = new Set(baselineViolations(spec).map((violation) => violation.split(": ")[0]));
    assert.deepEqual(
      controls,
      new Set([
        "/proc Mount Type",
        "AppArmor",
        "Capabilities",
        "Host Namespaces",
        "Host Ports",
        "Host Probes / Lifecycle Hooks",
        "HostProcess",
        "Privileged Containers",
        "SELinux",
        "Seccomp",
        "Sysctls",
      ]),
    );
  });

  void test("nothing is writable but the relay's store", () => {
    each(({ spec, container }, where) => {
      assert.equal(asObject(container["securityContext"])["readOnlyRootFilesystem"], true, where);
      const writable = asObjects(container["volumeMounts"], 20).filter((mount) => mount["readOnly"] !== true);
      const wanted = where.startsWith("StatefulSet") ? ["/var/lib/tote"] : [];
      assert.deepEqual(
        writable.map(({ mountPath }) => mountPath),
        wanted,
        where,
      );
      assert.ok(!where.startsWith("DaemonSet") || asObject(spec["securityContext"])["runAsUser"] === 0);
    });
  });

  void test("who is not root is who the image says", () => {
    each(({ spec }, where) => {
      assert.equal(asObject(spec["securityContext"])["runAsUser"], NONROOT_ID, where);
    }, /^(?!DaemonSet)/);
  });

  void test("only who calls the API server has a token, and nobody gets variables of Services", () => {
    each(({ spec }, where) => {
      assert.equal(spec["enableServiceLinks"], false, where);
      const calls = !/^(?:DaemonSet|StatefulSet)/.test(where);
      assert.equal(spec["automountServiceAccountToken"], calls, where);
    });
  });

  void test("memory is limited everywhere, CPU nowhere", () => {
    each(({ container }, where) => {
      const { limits, requests } = asObject(container["resources"]);
      assert.deepEqual(Object.keys(asObject(limits)), ["memory"], where);
      assert.deepEqual(Object.keys(asObject(requests)), ["cpu", "memory"], where);
    });
  });

  void test("every flag is one that its service has, with a value that it takes", () => {
    each((pod, where) => {
      const [command = "", ...args] = argsOf(pod);
      const flags = args.map((arg) => arg.replace("$(NODE_NAME)", "node-a"));
      const { kind, message } = read(command, flags);
      assert.ok(kind === "config" || kind === "values", `${where}: ${message}`);
    });
  });

  void test("images are authorised unless that is switched off by its word", async () => {
    const authorizations: readonly (readonly [unknown, string])[] = [
      ["repository", "repository"],
      ["strict", "strict"],
      ["off", "off"],
      [false, "off"],
      [null, "repository"],
    ];
    for (const [imageAuthorization, flag] of authorizations) {
      const all = pods(await render({ controller: { imageAuthorization } }));
      const args = all.filter(({ of }) => of === "Deployment tote").flatMap(argsOf);
      assert.ok(args.includes(`--image-authorization=${flag}`), String(imageAuthorization));
    }
  });

  void test("ports, probes and flags name the same ports", () => {
    each(({ container }, where) => {
      const ports = new Map(
        asObjects(container["ports"], 9).map(({ name, containerPort }) => [name, containerPort]),
      );
      for (const probe of ["livenessProbe", "readinessProbe", "startupProbe"]) {
        const { port } = asObject(asObject(container[probe])["httpGet"]);
        assert.ok(ports.has(port), `${where}: ${probe}`);
      }
      const args = JSON.stringify(container["args"]);
      for (const port of ports.values()) assert.match(args, new RegExp(`[:=]${String(port)}"`), where);
    }, /^(?:Deployment|DaemonSet|StatefulSet)/);
  });

  void test("each runtime has its socket's folder and its content", async () => {
    const paths: Readonly<Record<string, readonly string[]>> = {
      containerd: ["/run/containerd", "/var/lib/containerd"],
      k3s: ["/run/k3s/containerd", "/var/lib/rancher/k3s/agent/containerd"],
      rke2: ["/run/k3s/containerd", "/var/lib/rancher/rke2/agent/containerd"],
      k0s: ["/run/k0s", "/var/lib/k0s/containerd"],
      microk8s: ["/var/snap/microk8s/common/run", "/var/snap/microk8s/common/var/lib/containerd"],
    };
    for (const [runtime, [socket = "", root = ""]] of Object.entries(paths)) {
      assert.deepEqual(hostPaths(await render({ agent: { runtime } })), [
        socket,
        `${root}/io.containerd.content.v1.content`,
      ]);
    }
    const own = { containerdSocket: "/x/c.sock", containerdRoot: "/y" };
    const manifests = await render({ agent: own });
    assert.deepEqual(hostPaths(manifests), ["/x", "/y/io.containerd.content.v1.content"]);
    const agent = pods(manifests).find(({ of }) => of.startsWith("DaemonSet"));
    assert.ok(
      agent !== undefined && argsOf(agent).includes("--containerd-socket=/run/host-containerd/c.sock"),
    );
  });
});

function hostPaths(manifests: Parameters<typeof pods>[0]): readonly string[] {
  const agent = pods(manifests).find(({ of }) => of.startsWith("DaemonSet"));
  return asObjects(agent?.spec["volumes"], 9)
    .map(({ hostPath }) => asText(asObject(hostPath)["path"]))
    .filter((path) => path !== "");
}

/** Reads flags as the service does. */
function read(
  command: string,
  flags: readonly string[],
): { readonly kind: string; readonly message?: string } {
  switch (command) {
    case "controller":
      return readControllerConfig(flags, {});
    case "agent":
      return readAgentConfig(flags, {});
    case "webhook-relay":
      return readRelayConfig(flags, {});
    case "doctor":
      return readDoctorConfig(
        flags,
        { KUBERNETES_SERVICE_HOST: "10.0.0.1", KUBERNETES_SERVICE_PORT: "443" },
        () => false,
      );
    case "certs":
      return parseFlags(ENSURE_FLAGS, flags.slice(1), {});
    default:
      return { kind: "error", message: `${command} is no command` };
  }
}
