/** The process of a made-up cluster: so that neither its CPU time nor its memory counts as the controller's. */

import process from "node:process";

import { describeError } from "../../../lib/errors.ts";
import { createCleanup } from "../../harness/cleanup.ts";
import { World } from "./world.ts";
import type { WorldAnswer, WorldRequest } from "./world-protocol.ts";

const cleanup = createCleanup();
let world: World | undefined;

async function answer(request: WorldRequest): Promise<unknown> {
  if (isRequest(request, "start")) {
    const started = await World.start(request.ask, cleanup);
    world = started.world;
    return started.answer;
  }
  if (world === undefined) throw new Error("the cluster has not been started");
  if (isRequest(request, "set")) return world.set(request.ask);
  if (isRequest(request, "sample")) return await world.sample(request.ask);
  if (isRequest(request, "update")) return await world.update(request.ask);
  return world.look();
}

function isRequest<Name extends WorldRequest["name"]>(
  request: WorldRequest,
  name: Name,
): request is WorldRequest<Name> {
  return request.name === name;
}

async function respond(request: WorldRequest): Promise<void> {
  let message: WorldAnswer;
  try {
    message = { id: request.id, answer: await answer(request) };
  } catch (error) {
    message = { id: request.id, error: describeError(error) };
  }
  process.send?.(message);
}

process.on("message", (request: WorldRequest) => void respond(request));
process.on("disconnect", () => {
  void cleanup.run().finally(() => process.exit());
});
