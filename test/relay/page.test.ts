/// <reference lib="dom" />

import assert from "node:assert/strict";
import { test } from "node:test";

import type { BrowserContextOptions, Page } from "playwright-core";

import { testEvent } from "../../webhook-relay/event/testing.ts";
import { TEST_TOKENS } from "../../webhook-relay/testing/relay-rig.ts";
import { waitFor } from "../harness/wait.ts";
import { excuseFor } from "../setup/excuse.ts";
import { BROWSER } from "../setup/requirements.ts";
import { incidentOf, startPageRig, type PageRig } from "./page-rig.ts";

const HOSTILE = `</p><script>window.ran = 1</script><img src=x onerror="window.ran = 1">" onload='window.ran = 1' x="`;

/** A page whose every complaint is kept. */
interface Watched {
  readonly page: Page;
  /** errors of the console, of scripts, and of what the policy forbids; requests to anywhere else */
  readonly complaints: readonly string[];
}

async function openPage({ browser, url }: PageRig, options: BrowserContextOptions = {}): Promise<Watched> {
  const context = await browser.newContext({ baseURL: url, ...options });
  const page = await context.newPage();
  const complaints: string[] = [];
  page.on("console", (message) => {
    if (message.type() === "error" || message.type() === "warning") complaints.push(message.text());
  });
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("request", (request) => {
    if (!request.url().startsWith(url)) complaints.push(`it asked for ${request.url()}`);
  });
  return { page, complaints };
}

async function logIn(page: Page, token: string): Promise<void> {
  await page.goto("/");
  await page.getByLabel("Token").fill(token);
  await page.getByRole("button", { name: "Log in" }).click();
}

/** Every page that there is, for one rig. */
const PAGES = [
  "/",
  "/incidents",
  "/incidents/checkout-incident",
  `/incidents/${encodeURIComponent(HOSTILE)}`,
  "/deliveries",
  "/deliveries?state=dead&subscription=ticket-desk",
  "/deliveries/1",
  "/subscriptions/ticket-desk",
] as const;

const skip = await excuseFor(BROWSER);

test("the page in a browser", { skip: skip ?? false }, async (t) => {
  const rig = await startPageRig(t);
  rig.tickets.behave((_, response) => void response.writeHead(422).end(HOSTILE));
  await rig.tell(
    incidentOf("checkout", ["detected", "salvageable", "salvaged", "not_recovered"], Date.now() - 60_000, {
      message: "CrashLoopBackOff: back-off 40s",
    }),
  );
  await rig.tell([
    testEvent({
      id: "hostile",
      subject: HOSTILE,
      data: {
        incident: HOSTILE,
        owner: { kind: HOSTILE, name: HOSTILE },
        namespace: HOSTILE,
        image: `registry.example/${"long".repeat(80)}`,
        message: HOSTILE,
        pod: HOSTILE,
        sourceNodes: [HOSTILE],
        cause: HOSTILE,
      },
    }),
  ]);

  await t.test("whoever logs in sees the incident, its timeline and who was told", async () => {
    const { page, complaints } = await openPage(rig);
    await logIn(page, TEST_TOKENS.read);
    await page.getByRole("link", { name: "Deployment checkout" }).click();
    await page.getByRole("heading", { level: 1, name: "Deployment checkout" }).waitFor();
    assert.deepEqual(await page.locator(".timeline h3").allTextContents(), [
      "Image missing",
      "Found on other nodes",
      "Image moved",
      "Not recovered",
    ]);
    const last = page.locator(".step").last();
    assert.match(await last.innerText(), /CrashLoopBackOff: back-off 40s/);
    assert.match(await last.innerText(), /on-call\s+Delivered/);
    assert.match(await last.innerText(), /ticket-desk\s+Dead/);
    await page.getByRole("button", { name: "Log out" }).click();
    await page.getByRole("heading", { name: "Log in" }).waitFor();
    await page.goto("/incidents");
    assert.match(page.url(), /\/login\?next=%2Fincidents$/);
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  await t.test("a dead letter that is sent again arrives, and is dead no more", async () => {
    const { page, complaints } = await openPage(rig);
    const before = rig.tickets.requests.length;
    await logIn(page, TEST_TOKENS.admin);
    await page.getByRole("link", { name: "All", exact: true }).last().click();
    await page.getByRole("heading", { level: 1, name: "Dead letters" }).waitFor();
    const dead = await page.locator(".card").count();
    const card = page.locator(".card", { hasText: "Not recovered → ticket-desk" });
    rig.tickets.behave(undefined);
    await card.getByRole("button", { name: "Send again" }).click();
    await page.getByRole("status").filter({ hasText: "is sent again." }).waitFor();
    await waitFor("the message", () => rig.tickets.requests.length > before);
    assert.equal(rig.tickets.requests.at(-1)?.headers["tote-replay"], "true");
    await waitFor("the list without it", async () => {
      await page.goto("/deliveries?state=dead");
      return (await page.locator(".card").count()) === dead - 1;
    });
    await page.getByLabel("State").selectOption("Delivered");
    await page.getByLabel("Subscription").selectOption("ticket-desk");
    await page.getByRole("button", { name: "Show" }).click();
    await page.getByRole("link", { name: "Not recovered → ticket-desk" }).click();
    assert.deepEqual(await page.locator(".timeline h3").allTextContents(), [
      "Refused",
      "Refused",
      "Refused",
      "Delivered",
    ]);
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  await t.test("a subscription is tried, and switched off and on", async () => {
    const { page, complaints } = await openPage(rig);
    const before = rig.onCall.requests.length;
    await logIn(page, TEST_TOKENS.admin);
    await page.getByRole("link", { name: "on-call", exact: true }).click();
    await page.getByRole("button", { name: "Send a test" }).click();
    await page.getByRole("status").filter({ hasText: "is a test" }).waitFor();
    await waitFor("the test", () => rig.onCall.requests.length > before);
    await page.getByLabel("Why (optional)").fill("maintenance until noon");
    await page.getByRole("button", { name: "Switch off" }).click();
    await page.getByText("Off: maintenance until noon").waitFor();
    await page.getByRole("link", { name: "Now" }).first().click();
    await page.locator(".banner").filter({ hasText: "1 subscription off: on-call." }).waitFor();
    await page.getByRole("link", { name: "on-call", exact: true }).click();
    await page.getByRole("button", { name: "Switch on" }).click();
    await page.getByRole("button", { name: "Switch off" }).waitFor();
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  await t.test("hostile text is shown and does not run, on no page", async () => {
    const { page, complaints } = await openPage(rig);
    await logIn(page, TEST_TOKENS.admin);
    for (const path of PAGES) {
      await page.goto(path);
      assert.equal(await page.evaluate(() => "ran" in window), false, path);
      assert.equal(await page.locator("script, img, iframe, object").count(), 0, path);
    }
    await page.goto("/incidents");
    await page.getByRole("link", { name: "<script>" }).click();
    await page.locator(".message", { hasText: HOSTILE }).waitFor();
    await page.getByRole("link", { name: "ticket-desk" }).click();
    await page.getByText("Answer").last().click();
    assert.equal(await page.locator(".timeline pre").last().innerText(), HOSTILE);
    assert.equal(await page.evaluate(() => "ran" in window), false);
    assert.deepEqual(complaints, []);
    await page.context().close();
  });

  await t.test("a script that got in all the same would not run: the policy forbids it", async () => {
    const { page, complaints } = await openPage(rig);
    await logIn(page, TEST_TOKENS.read);
    await page.evaluate(() => {
      const script = document.createElement("script");
      script.textContent = "window.ran = 1";
      document.body.append(script);
    });
    await waitFor("the complaint", () => complaints.some((text) => text.includes("Content Security Policy")));
    assert.equal(await page.evaluate(() => "ran" in window), false);
    await page.context().close();
  });

  await t.test("on a phone nothing is wider than the screen, in either scheme", async () => {
    const backgrounds = new Set<string>();
    for (const colorScheme of ["light", "dark"] as const) {
      const { page, complaints } = await openPage(rig, {
        viewport: { width: 390, height: 844 },
        colorScheme,
      });
      await page.goto("/login");
      assert.ok((await widthOf(page)) <= 390, "/login");
      await logIn(page, TEST_TOKENS.admin);
      for (const path of PAGES) {
        await page.goto(path);
        assert.ok((await widthOf(page)) <= 390, `${path} is ${await widthOf(page)} pixels wide`);
        assert.ok((await contrastOf(page)) >= 4.5, `${path}: text can be told from what is behind it`);
      }
      backgrounds.add(await page.evaluate(() => getComputedStyle(document.body).backgroundColor));
      assert.deepEqual(complaints, []);
      await page.context().close();
    }
    assert.equal(backgrounds.size, 2, "light and dark differ");
  });
});

async function widthOf(page: Page): Promise<number> {
  return await page.evaluate(() => document.documentElement.scrollWidth);
}

/** The least contrast of any text with what is behind it, after WCAG 2.1. */
async function contrastOf(page: Page): Promise<number> {
  return await page.evaluate(() => {
    const channels = (color: string): readonly number[] => (color.match(/[\d.]+/g) ?? []).map(Number);
    const luminance = (color: string): number => {
      const [red = 0, green = 0, blue = 0] = channels(color).map((value) => {
        const share = value / 255;
        return share <= 0.03928 ? share / 12.92 : ((share + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * red + 0.7152 * green + 0.0722 * blue;
    };
    const behind = (element: Element | null): string => {
      if (element === null) return "rgb(255, 255, 255)";
      const { backgroundColor } = getComputedStyle(element);
      return channels(backgroundColor)[3] === 0 ? behind(element.parentElement) : backgroundColor;
    };
    const ratios = [...document.body.querySelectorAll("*")]
      .filter((element) =>
        [...element.childNodes].some((node) => node.nodeType === 3 && (node.textContent ?? "").trim() !== ""),
      )
      .map((element) => {
        const one = luminance(getComputedStyle(element).color);
        const other = luminance(behind(element));
        return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
      });
    return Math.min(...ratios);
  });
}
