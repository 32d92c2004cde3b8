/** Takes the picture of the documentation: `node test/relay/page-shot.ts [FOLDER]`, default docs/images. */

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { fileURLToPath } from "node:url";

import { systemClock } from "../../lib/clock.ts";
import { TEST_TOKENS } from "../../webhook-relay/testing/relay-rig.ts";
import { incidentOf, startPageRig } from "./page-rig.ts";

const [folder = fileURLToPath(new URL("../../docs/images", import.meta.url))] = process.argv.slice(2);
const MINUTE_MS = 60_000;
/** One for the documentation; the others are for whoever works on the page. */
const SHOTS = [
  { name: "relay-page", path: "/", width: 1180, height: 900, scheme: "light" },
  { name: "relay-page-dark", path: "/", width: 1180, height: 900, scheme: "dark" },
  { name: "relay-page-phone", path: "/", width: 390, height: 844, scheme: "dark" },
  { name: "relay-incident", path: "/incidents/checkout-incident", width: 1180, height: 900, scheme: "light" },
  {
    name: "relay-incident-phone",
    path: "/incidents/checkout-incident",
    width: 390,
    height: 844,
    scheme: "light",
  },
  { name: "relay-delivery", path: "/deliveries/2", width: 1180, height: 900, scheme: "dark" },
  {
    name: "relay-subscription",
    path: "/subscriptions/ticket-desk",
    width: 1180,
    height: 900,
    scheme: "light",
  },
  {
    name: "relay-deliveries-phone",
    path: "/deliveries?state=dead",
    width: 390,
    height: 844,
    scheme: "light",
  },
  { name: "relay-login", path: "/logout", width: 700, height: 600, scheme: "light" },
] as const;

const ends: (() => Promise<void> | void)[] = [];
try {
  // the relay's clock is behind and catches up, so that what happened lies apart
  let behindMs = 0;
  const now = (): number => Date.now() - behindMs;
  const { rig, url, browser, tell } = await startPageRig(
    {
      after: (end) => {
        if (end !== undefined) ends.push(async () => void (await Reflect.apply(end, undefined, [])));
      },
    },
    { ...systemClock, now },
  );
  behindMs = 55 * MINUTE_MS;
  await tell(
    incidentOf("mailer", ["detected", "not_actionable"], now(), {
      namespace: "crm",
      message: "imagePullPolicy is Always: set it to IfNotPresent",
    }),
  );
  behindMs = 31 * MINUTE_MS;
  await rig.relay.control.setEnabled("audit-log", false, "moves to another host today");
  await tell(incidentOf("web", ["detected", "salvageable", "salvaged", "recovered"], now()));
  behindMs = 12 * MINUTE_MS;
  await tell(
    incidentOf("search", ["detected", "corrupt"], now(), {
      message: "containerd on node-c has the record of the image but not its content",
    }),
  );
  behindMs = 4 * MINUTE_MS;
  await tell(
    incidentOf("checkout", ["detected", "salvageable", "salvaged", "not_recovered"], now(), {
      message: "CrashLoopBackOff: back-off 40s restarting failed container",
    }),
  );
  behindMs = 0;
  mkdirSync(folder, { recursive: true });
  for (const { name, path, width, height, scheme } of SHOTS) {
    if (process.argv[2] === undefined && name !== "relay-page") continue;
    const context = await browser.newContext({
      viewport: { width, height },
      colorScheme: scheme,
      deviceScaleFactor: 1.5,
    });
    const page = await context.newPage();
    await page.goto(`${url}/login`);
    if (path !== "/logout") {
      await page.fill("input[name=token]", TEST_TOKENS.admin);
      await page.click("button");
      await page.goto(`${url}${path}`);
    }
    await page.screenshot({ path: join(folder, `${name}.png`), fullPage: name !== "relay-page" });
    await context.close();
  }
} finally {
  for (const end of ends.toReversed()) await end();
}
