import { once } from "node:events";
import { createServer } from "node:http";

import { asObject, asText } from "../../controller/objects/json.ts";
import type { Cleanup } from "../harness/cleanup.ts";

/** An event as it was posted. */
export interface SunkEvent {
  readonly id: string;
  /** e.g. "tote.image.salvaged" */
  readonly type: string;
  readonly body: string;
}

/** Takes events in the place of the relay. */
export interface EventSink {
  readonly url: string;
  /** all that was posted, repeats included, in order */
  readonly events: readonly SunkEvent[];
  /** answers with this status from now on; 202 takes events */
  answer(status: number): void;
}

/** Starts a sink, which ends with the cleanup. */
export async function startEventSink(cleanup: Cleanup): Promise<EventSink> {
  const events: SunkEvent[] = [];
  let status = 202;
  const server = createServer((request, response) => {
    const pieces: Buffer[] = [];
    request.on("data", (piece: Buffer) => pieces.push(piece));
    request.on("end", () => {
      const body = Buffer.concat(pieces).toString();
      if (status === 202) {
        const event = asObject(JSON.parse(body));
        events.push({ id: asText(event["id"]), type: asText(event["type"]), body });
      }
      response.writeHead(status).end();
    });
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  cleanup.add({
    name: "close the event sink",
    undo: async () => {
      server.close();
      server.closeAllConnections();
      await Promise.resolve();
    },
  });
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the sink has no port");
  return {
    url: `http://127.0.0.1:${address.port}/v1/events`,
    events,
    answer(next) {
      status = next;
    },
  };
}
