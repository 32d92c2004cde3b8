import assert from "node:assert/strict";
import { join } from "node:path";

import { ROLES } from "../../lib/roles.ts";
import type { Rig } from "../harness/rig.ts";
import { run } from "../harness/run.ts";

/** Downloads an image from node b with curl and has another containerd namespace of node a check it. */
export async function checkArchive(rig: Rig, image: string): Promise<void> {
  const [a, b] = [rig.node("a"), rig.node("b")];
  const directory = rig.cleanup.directory();
  const archive = join(directory, "image.tar");
  const certs = await rig.pki.write(join(directory, "operator"), await rig.pki.role(ROLES.operator));
  const url = `${b.agent.url}/v1/archive?reference=${image}`;
  const tls = ["--cacert", `${certs}/ca.crt`, "--cert", `${certs}/tls.crt`, "--key", `${certs}/tls.key`];
  // the certificate carries a role, not the address: curl is told where that name is
  const { hostname, port } = new URL(url);
  const named = ["--connect-to", `${ROLES.agent}:${port}:${hostname}:${port}`];
  await run("curl", ["-fsS", ...tls, ...named, url.replace(hostname, ROLES.agent), "-o", archive]);
  const elsewhere = ["--address", a.containerd.socket, "-n", "elsewhere", "images"];
  await a.ctr.exec(["namespaces", "create", "elsewhere"]);
  await run(a.containerd.ctr, [...elsewhere, "import", archive]);
  const check = await run(a.containerd.ctr, [...elsewhere, "check"]);
  assert.match(check.stdout, /complete \(4\/4\)/);
}
