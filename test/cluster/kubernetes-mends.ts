import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";

import { run } from "../harness/run.ts";
import { privateApt } from "../setup/private-apt.ts";

/** What mendSource needs. */
export interface MendOptions {
  /** the unpacked source of Kubernetes */
  readonly root: string;
  /** folder for what is fetched */
  readonly scratch: string;
  /** Debian's suite, e.g. "bookworm" */
  readonly suite: string;
  readonly signal?: AbortSignal | undefined;
}

/** Which mends these are: what was built with others is not taken from the cache. */
export const MENDS = 2;

/**
 * Mends what Kubernetes 1.20 vendors and what behaves in another way since Go 1.18 (binaries of the project itself were
 * built with Go 1.15 and are not affected), and how long its kubelet keeps pods that have ended. Throws an Error when the
 * source is not as expected.
 */
export async function mendSource(options: MendOptions): Promise<void> {
  await replaceReflect2(options);
  await acceptEmptyValues(options.root);
  await collectSandboxesSooner(options.root);
}

/**
 * modern-go/reflect2 reads the insides of Go's maps as they were before Go 1.18: with it the API server crashes at the
 * first custom resource (release notes of reflect2 1.0.2, which Debian has).
 */
async function replaceReflect2({ root, scratch, suite, signal }: MendOptions): Promise<void> {
  const folder = join(scratch, "reflect2");
  await mkdir(folder, { recursive: true });
  const apt = await privateApt({ suite, scratch: folder, signal });
  await apt.get("download", "golang-github-modern-go-reflect2-dev");
  const archive = (await readdir(folder)).find((name) => name.endsWith(".deb"));
  if (archive === undefined) throw new Error(`apt-get download left no package of reflect2 in ${folder}`);
  await run("dpkg", ["-x", join(folder, archive), folder], { signal });
  const library = join("github.com", "modern-go", "reflect2");
  const vendored = join(root, "vendor", library);
  await rm(vendored, { recursive: true, force: true });
  await cp(join(folder, "usr", "share", "gocode", "src", library), vendored, { recursive: true });
}

/**
 * The validation of custom resources compares the pointers of two reflect.Values: since Go 1.18 those of two zero values
 * are the same, and "" counts as null, which no string may be.
 */
async function acceptEmptyValues(root: string): Promise<void> {
  const wrong =
    "if data == nil || reflect.DeepEqual(reflect.Zero(reflect.TypeOf(data)), reflect.ValueOf(data)) {";
  for (const library of ["k8s.io/kube-openapi/pkg/validation/validate", "github.com/go-openapi/validate"]) {
    await replaceIn(join(root, "vendor", library, "type.go"), wrong, "if data == nil {");
  }
}

/**
 * A deleted pod stays until its sandbox is gone, which this kubelet leaves to the collection of containers, once a minute;
 * later ones (pkg/kubelet/pod_sandbox_deleter.go) delete it at once.
 */
async function collectSandboxesSooner(root: string): Promise<void> {
  const file = join(root, "pkg", "kubelet", "kubelet.go");
  await replaceIn(file, "ContainerGCPeriod = time.Minute", "ContainerGCPeriod = 5 * time.Second");
}

async function replaceIn(file: string, wrong: string, right: string): Promise<void> {
  const source = await readFile(file, "utf8");
  if (!source.includes(wrong)) throw new Error(`cannot mend ${file}: it does not hold "${wrong}"`);
  await writeFile(file, source.replace(wrong, right));
}
