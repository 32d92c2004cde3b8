import { createSocket } from "node:dgram";
import { once } from "node:events";

import type { Cleanup } from "../harness/cleanup.ts";
import { CLUSTER_DOMAIN } from "./layout.ts";

/** bytes of the header (RFC 1035, 4.1.1) */
const HEADER = 12;
const PORT = 53;
const TYPE_A = 1;
const TTL_SECONDS = 1;
const NOT_FOUND = 3;

/** Serves names of Services at an address until the cleanup. `lookUp`: the address of "namespace/name". */
export async function startClusterDns(
  address: string,
  lookUp: (service: string) => string | undefined,
  cleanup: Cleanup,
): Promise<void> {
  const socket = createSocket("udp4");
  socket.on("message", (question, { port, address: from }) => {
    const answer = answerOf(question, lookUp);
    if (answer !== undefined) socket.send(answer, port, from);
  });
  socket.bind(PORT, address);
  await once(socket, "listening");
  cleanup.add({
    name: "close the DNS of the cluster",
    undo: async () => {
      socket.close();
      await once(socket, "close");
    },
  });
}

/** Answers a question for one name; undefined for what is none. Other records than A are not there, other names neither. */
export function answerOf(
  question: Buffer,
  lookUp: (service: string) => string | undefined,
): Buffer | undefined {
  if (question.length < HEADER + 5 || question.readUInt16BE(4) !== 1) return undefined;
  const labels: string[] = [];
  let at = HEADER;
  for (let size = question[at] ?? 0; size > 0; size = question[at] ?? 0) {
    if (at + 1 + size + 5 > question.length) return undefined;
    labels.push(question.toString("latin1", at + 1, at + 1 + size));
    at += 1 + size;
  }
  const end = at + 5;
  const ip = lookUp(serviceOf(labels.join(".").toLowerCase()));
  const isAsked = question.readUInt16BE(at + 1) === TYPE_A;
  const records = ip !== undefined && isAsked ? [addressRecord(ip)] : [];
  const header = Buffer.alloc(HEADER);
  question.copy(header, 0, 0, 2);
  // an answer, with authority; recursion as it was asked for
  header.writeUInt16BE(0x8400 | (question.readUInt16BE(2) & 0x0100) | (ip === undefined ? NOT_FOUND : 0), 2);
  header.writeUInt16BE(1, 4);
  header.writeUInt16BE(records.length, 6);
  return Buffer.concat([header, question.subarray(HEADER, end), ...records]);
}

/** "namespace/name" of "name.namespace.svc.cluster.local"; "" for other names. */
function serviceOf(name: string): string {
  const ending = `.svc.${CLUSTER_DOMAIN}`;
  const [service = "", namespace = "", ...rest] = name.endsWith(ending)
    ? name.slice(0, -ending.length).split(".")
    : [];
  return service === "" || namespace === "" || rest.length > 0 ? "" : `${namespace}/${service}`;
}

function addressRecord(ip: string): Buffer {
  const record = Buffer.alloc(16);
  // the name of the question, by its offset
  record.writeUInt16BE(0xc000 | HEADER, 0);
  record.writeUInt16BE(TYPE_A, 2);
  record.writeUInt16BE(1, 4);
  record.writeUInt32BE(TTL_SECONDS, 6);
  record.writeUInt16BE(4, 10);
  for (const [at, byte] of ip.split(".").entries()) record[12 + at] = Number(byte);
  return record;
}
