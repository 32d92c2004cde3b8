import assert from "node:assert/strict";
import { test } from "node:test";

import { INCIDENT_WINDOW_MS } from "../limits.ts";
import { CHANGES, ORIGIN, record, statusAfter, T0 } from "../testing/records.ts";
import { chooseIncident } from "./incident.ts";

const SUBJECT = { namespace: "shop", ownerKind: "Deployment", ownerName: "web", image: ORIGIN.image };
const OPEN = record({ status: statusAfter(CHANGES.detected) });
const ENDED = record({ status: statusAfter(CHANGES.detected, CHANGES.refused) });
const ENDED_AT = T0 + 1000;

test("an open record of the same owner and image gives the incident, on whatever node", () => {
  assert.equal(chooseIncident(SUBJECT, [OPEN], T0), ORIGIN.incident);
});

test("one that ended a short while ago does, too, an older one does not", () => {
  assert.equal(chooseIncident(SUBJECT, [ENDED], ENDED_AT + INCIDENT_WINDOW_MS - 1), ORIGIN.incident);
  assert.notEqual(chooseIncident(SUBJECT, [ENDED], ENDED_AT + INCIDENT_WINDOW_MS), ORIGIN.incident);
});

test("another namespace, owner or image is another incident", () => {
  const others = [
    { ...SUBJECT, namespace: "other" },
    { ...SUBJECT, ownerKind: "StatefulSet" },
    { ...SUBJECT, ownerName: "api" },
    { ...SUBJECT, image: "registry.test:5000/app:v2" },
  ];
  const incidents = others.map((subject) => chooseIncident(subject, [OPEN], T0));
  assert.equal(new Set([...incidents, ORIGIN.incident]).size, 5);
  for (const incident of incidents) assert.match(incident, /^[a-f0-9]{32}$/);
});

test("of several open records the oldest gives the incident, in any order", () => {
  const other = { ...CHANGES.detected, origin: { ...ORIGIN, incident: "f".repeat(32) } };
  const younger = record({ name: "b", createdAt: T0 + 5000, status: statusAfter(other) });
  assert.equal(chooseIncident(SUBJECT, [younger, OPEN], T0), ORIGIN.incident);
  assert.equal(chooseIncident(SUBJECT, [OPEN, younger], T0), ORIGIN.incident);
});
