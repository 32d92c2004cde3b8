import { after, before, test } from "node:test";

import { loadImage } from "../harness/load-image.ts";
import { startSharedRig, type Rig } from "../harness/rig.ts";
import { uniqueImage } from "../harness/unique-image.ts";
import { assertSalvaged } from "./salvaged.ts";

let rig: Rig;
before(async () => {
  rig = await startSharedRig({ a: {}, b: { containerd: { maxMessageBytes: 2 << 20 } } });
});
after(() => rig.cleanup.run());

test("a containerd that is configured to take no message above 2 MiB gets the image all the same", async () => {
  const unique = await uniqueImage("small-messages", { layers: [12_000_000, 12_000_000, 12_000_000] });
  await loadImage(rig.node("a").containerd, unique.image, { names: [unique.name] });
  const result = await rig.import({ image: unique.image, names: [unique.name], target: "b" });
  await assertSalvaged(rig.node("b"), unique, result);
});
