import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { parseMetrics } from "./metrics.ts";

const GOOD = `# HELP a_total things
# TYPE a_total counter
a_total{code="ok",text="with \\"quotes\\", and comma"} 3
a_total{code="bad"} 0

# HELP b_seconds how long
# TYPE b_seconds histogram
b_seconds_bucket{le="1"} 2
b_seconds_bucket{le="+Inf"} 3
b_seconds_sum 4.5
b_seconds_count 3
`;

describe("parseMetrics", () => {
  it("reads families, labels and values", () => {
    const families = parseMetrics(GOOD);
    assert.deepEqual([...families.keys()], ["a_total", "b_seconds"]);
    assert.deepEqual(families.get("a_total")?.samples[0], {
      name: "a_total",
      labels: { code: "ok", text: String.raw`with \"quotes\", and comma` },
      value: 3,
    });
    assert.equal(families.get("b_seconds")?.help, "how long");
    assert.equal(families.get("b_seconds")?.samples[1]?.value, 3);
  });

  const bad: readonly (readonly [what: string, text: string])[] = [
    ["a missing line break at the end", GOOD.trimEnd()],
    ["a sample without help and type", "a_total 1\n"],
    ["a counter whose name does not say so", "# HELP a x\n# TYPE a counter\na 1\n"],
    ["an unknown type", "# HELP a x\n# TYPE a number\na 1\n"],
    ["a family that comes twice", `${GOOD}# HELP a_total again\n`],
    ["a sample that comes twice", "# HELP a x\n# TYPE a gauge\na 1\na 2\n"],
    ["a sample of another family", "# HELP a x\n# TYPE a gauge\nb 1\n"],
    ["a value that is no number", "# HELP a x\n# TYPE a gauge\na one\n"],
    ["labels that do not close", '# HELP a x\n# TYPE a gauge\na{b="c} 1\n'],
    ["help without a text", "# HELP a\n# TYPE a gauge\na 1\n"],
    ["a histogram without +Inf", GOOD.replace('b_seconds_bucket{le="+Inf"} 3\n', "")],
    ["a histogram whose buckets fall", GOOD.replace('le="1"} 2', 'le="1"} 9')],
  ];
  for (const [what, text] of bad) {
    it(`refuses ${what}`, () => {
      assert.throws(() => parseMetrics(text), /metrics|histogram/);
    });
  }
});
