import { Hono } from "hono";

import type { Logger } from "../../lib/log.ts";
import type { RelayControl } from "../control.ts";
import { REPLAY_RATE_DEFAULT } from "../limits.ts";
import { readId } from "../routes/parameters.ts";
import { placeOf, visitorOf } from "./access.ts";
import { isOwnForm, readForm, type Form } from "./form.ts";
import type { Notice } from "./layout.ts";
import type { Sessions } from "./session.ts";

/** What the buttons need. */
export interface ActionOptions {
  readonly control: RelayControl;
  readonly sessions: Sessions;
  readonly logger: Logger;
}

type Action = (control: RelayControl, form: Form) => Promise<Notice>;

const ACTIONS: ReadonlyMap<string, Action> = new Map([
  ["redeliver", redeliver],
  ["replay", replay],
  ["cancel-replay", cancelReplay],
  ["test", sendTest],
  ["enable", (control, form) => setEnabled(control, form, true)],
  ["disable", (control, form) => setEnabled(control, form, false)],
] as const satisfies readonly (readonly [string, Action])[]);

/** `POST /actions/{action}`: what the buttons do; then back to where they stood, which says what was done. */
export function actionRoutes({ control, sessions, logger }: ActionOptions): Hono {
  const app = new Hono();
  app.post("/actions/:action", async (context) => {
    const name = context.req.param("action");
    const visitor = visitorOf(context, sessions);
    if (visitor === undefined) return context.redirect("/login", 303);
    const form = await readForm(context);
    if (!isOwnForm(form, visitor.session))
      return context.text("this form is not from here: go back and reload\n", 403);
    if (visitor.session.role !== "admin")
      return context.text("this takes the admin token: log in with it\n", 403);
    const action = ACTIONS.get(name);
    if (action === undefined) return context.text("there is no such action\n", 404);
    const notice = await action(control, form);
    logger.info("a person did something on the page", { action: name, result: notice.text });
    sessions.leaveNotice(visitor.id, notice);
    return context.redirect(placeOf(form["back"]), 303);
  });
  return app;
}

async function redeliver(control: RelayControl, form: Form): Promise<Notice> {
  const id = readId(form["id"] ?? "");
  const result = id === undefined ? "not_found" : await control.redeliver(id);
  switch (result) {
    case "queued":
      return { tone: "good", text: `Delivery ${id} is sent again.` };
    case "under_way":
      return { tone: "warn", text: `Delivery ${id} is under way already.` };
    case "not_found":
      return { tone: "bad", text: "There is no such delivery any more." };
  }
}

async function replay(control: RelayControl, form: Form): Promise<Notice> {
  const subscription = form["subscription"] ?? "";
  if (subscription === "") return { tone: "bad", text: "No subscription was named." };
  const { id } = await control.createReplay({ subscription, state: "dead" }, REPLAY_RATE_DEFAULT);
  return {
    tone: "good",
    text: `Replay ${id} sends the dead letters of ${subscription} again, ${REPLAY_RATE_DEFAULT} a second.`,
  };
}

async function cancelReplay(control: RelayControl, form: Form): Promise<Notice> {
  const id = readId(form["id"] ?? "");
  const wasRunning = id !== undefined && (await control.cancelReplay(id));
  return wasRunning
    ? { tone: "good", text: `Replay ${id} is stopped.` }
    : { tone: "warn", text: "This replay does not run any more." };
}

async function sendTest(control: RelayControl, form: Form): Promise<Notice> {
  const name = form["name"] ?? "";
  const sent = await control.sendTest(name);
  return sent === undefined
    ? missing(name)
    : { tone: "good", text: `Delivery ${sent.deliveryId} is a test, it is on its way.` };
}

async function setEnabled(control: RelayControl, form: Form, isEnabled: boolean): Promise<Notice> {
  const name = form["name"] ?? "";
  const reason = (form["reason"] ?? "").trim().slice(0, REASON_MAX_CHARS);
  const isKnown = await control.setEnabled(
    name,
    isEnabled,
    reason === "" ? "switched off on the page" : reason,
  );
  if (!isKnown) return missing(name);
  return isEnabled
    ? { tone: "good", text: `${name} is on again, what waited goes out.` }
    : { tone: "warn", text: `${name} is off, what comes meanwhile waits.` };
}

const REASON_MAX_CHARS = 200;

function missing(name: string): Notice {
  return { tone: "bad", text: `There is no subscription ${JSON.stringify(name)} any more.` };
}
