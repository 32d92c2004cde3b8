import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import process from "node:process";
import { test } from "node:test";

import { freePorts } from "./ports.ts";

// of the 18,000 there are; two processes that did not know of each other would have 50 in common
const MANY = 1000;

void test("a port that was found can be listened on, and no other process is given it", async () => {
  const own = await freePorts(MANY);
  const program = `import { freePorts } from ${JSON.stringify(new URL("./ports.ts", import.meta.url))};
    console.log(JSON.stringify(await freePorts(${MANY})));`;
  const other = JSON.parse(
    execFileSync(process.execPath, ["--input-type=module", "--eval", program], { encoding: "utf8" }),
  );
  assert.equal(new Set([...own, ...other]).size, 2 * MANY);
  const server = createServer().listen(own[0], "127.0.0.1");
  await once(server, "listening");
  server.close();
});
