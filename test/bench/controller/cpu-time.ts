import type { CpuSeconds, MeasuredController } from "./controller-run.ts";
import type { WorldProcess } from "./world-client.ts";

/** CPU time since the start of the controller, and of the API server with all agents. */
export async function cpuOfBoth(world: WorldProcess, controller: MeasuredController): Promise<CpuSeconds> {
  const [{ cpuSeconds }, ofController] = await Promise.all([
    world.call("look", null),
    controller.cpuSeconds(),
  ]);
  return { controller: ofController, world: cpuSeconds };
}

/** What was used between two moments. */
export function cpuSince(before: CpuSeconds, after: CpuSeconds): CpuSeconds {
  return { controller: after.controller - before.controller, world: after.world - before.world };
}
