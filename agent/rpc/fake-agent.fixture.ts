import process from "node:process";

import { startFakeAgent } from "./fake-agent.ts";

// A made-up agent in a process of its own, for tests that kill it. Tells its parent where it listens.
const { url } = await startFakeAgent();
process.send?.(url);
