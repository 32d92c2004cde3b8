import assert from "node:assert/strict";
import { readdirSync, readFileSync, lstatSync } from "node:fs";
import { join, resolve } from "node:path";
import { before, test } from "node:test";
import { fileURLToPath } from "node:url";

import { appFiles } from "../../build/image/app-files.ts";
import { imageConfig } from "../../build/image/image-config.ts";
import type { ImageLayer } from "../../build/image/image-file.ts";
import { imageLayers } from "../../build/image/image-layers.ts";
import { writeRootfs } from "../../build/image/rootfs.ts";
import { toteVersion } from "../../lib/version.ts";
import { createCleanup } from "../harness/cleanup.ts";
import { pairs, parseDockerfile, type Instruction } from "./dockerfile.ts";

const root = resolve(fileURLToPath(new URL("../..", import.meta.url)));
const [build = [], final = []] = parseDockerfile(readFileSync(join(root, "Dockerfile"), "utf8"));
const sources = { root, node: process.execPath };
let layers: readonly ImageLayer[] = [];

before(async () => {
  layers = await imageLayers(sources);
});

void test("names that nobody can look up leave threads for others", () => {
  // libuv gives half of them to look-ups
  assert.ok(Number(pairs(final, "ENV")["UV_THREADPOOL_SIZE"]) / 2 >= 32);
});

void test("the Dockerfile says of the image what npm run image says", async () => {
  const version = await toteVersion();
  // whoever says neither has both labels empty here, and not at all with npm run image
  const origin = { revision: "0123abc", source: "https://git.example/tote" };
  const { user, entrypoint, environment, labels, workingDirectory } = imageConfig(version, origin);
  assert.equal(only(final, "USER"), user);
  assert.equal(only(final, "WORKDIR"), workingDirectory);
  assert.deepEqual(JSON.parse(only(final, "ENTRYPOINT")), entrypoint);
  assert.deepEqual(pairs(final, "ENV"), environment);
  const written = Object.fromEntries(
    Object.entries(pairs(final, "LABEL")).map(([name, value]) => [
      name,
      value
        .replace("${VERSION}", pairs(final, "ARG")["VERSION"] ?? "")
        .replace("${REVISION}", origin.revision)
        .replace("${SOURCE}", origin.source),
    ]),
  );
  assert.deepEqual(written, labels);
});

void test("the Dockerfile copies the layers, in order, into an image that is empty otherwise", () => {
  assert.equal(only(final, "FROM"), "scratch");
  assert.deepEqual(
    final.filter(({ name }) => name === "COPY").map(({ text }) => text),
    layers.map(({ name }) => `--from=build /rootfs/${name} /`),
  );
  assert.ok(!final.some(({ name }) => name === "RUN"));
  assert.ok(build.some(({ name, text }) => name === "RUN" && text === "node build/image/rootfs.ts /rootfs"));
});

void test("the Dockerfile gives the build every file that goes into the image", async () => {
  const copied = build
    .filter(({ name }) => name === "COPY")
    .flatMap(({ text }) => text.split(/\s+/).slice(0, -1));
  for (const file of await appFiles(root)) {
    const path = file.kind === "copy" ? file.from.slice(root.length + 1) : file.path.split("/").at(-1);
    if (file.kind === "symlink") continue;
    assert.ok(
      copied.some((from) => path === from || path?.startsWith(`${from}/`)),
      `COPY ${path} is missing`,
    );
  }
});

void test("the folders that the Dockerfile copies hold exactly the files of the layers", async (t) => {
  const directory = join(createCleanup(t).directory(), "rootfs");
  await writeRootfs(directory, sources);
  for (const { name, files } of layers) {
    const found = readdirSync(join(directory, name), { recursive: true, withFileTypes: true })
      .filter((entry) => !entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(directory, name).length + 1));
    const wanted = files.filter(({ kind }) => kind !== "directory").map(({ path }) => path);
    assert.deepEqual(found.sort(), [...wanted].sort());
  }
  assert.equal(lstatSync(join(directory, "system", "tmp")).mode & 0o7777, 0o1777);
});

void test("nothing is in the image but what runs", () => {
  const paths = layers.flatMap(({ files }) => files.map(({ path }) => path));
  const superfluous = paths.filter((path) => isSuperfluous(path));
  assert.deepEqual(superfluous, []);
  const programs = layers.flatMap(({ files }) =>
    files.filter((file) => "mode" in file && file.kind !== "directory" && ((file.mode ?? 0) & 0o111) !== 0),
  );
  assert.deepEqual(
    programs.map(({ path }) => path).filter((path) => !/\.so[.\d]*$/.test(path)),
    ["usr/local/bin/node", "usr/local/lib/tote/tote.ts"],
  );
  assert.ok(!paths.some((path) => /node_modules\/(?:tsx|typescript|@types|esbuild)\//.test(path)));
});

function only(stage: readonly Instruction[], name: string): string {
  const [one, ...more] = stage.filter((instruction) => instruction.name === name);
  assert.ok(one !== undefined && more.length === 0, `${name} must be there once`);
  return one.text;
}

function isSuperfluous(path: string): boolean {
  const isOurs = !path.includes("/node_modules/");
  return (
    /\.d\.[cm]?ts$|\.map$|readme|changelog/i.test(path) || (isOurs && /\.test\.ts$|\/testing\//.test(path))
  );
}
