import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { describeError } from "./errors.ts";

describe("describeError", () => {
  it("tells the causes that a message does not have yet", () => {
    const error = new Error("cannot start", {
      cause: new Error("port in use", { cause: new Error("port") }),
    });
    assert.equal(describeError(error), "cannot start: port in use");
  });

  it("tells why work failed, and then why it could not be ended either", async () => {
    async function work(endsWith: Error, failsWith: Error): Promise<void> {
      await using begun = new AsyncDisposableStack();
      begun.defer(async () => {
        throw endsWith;
      });
      throw failsWith;
    }
    const failure = new Error("the work failed");
    const told = async (endsWith: Error): Promise<string> =>
      work(endsWith, failure).then(() => "nothing", describeError);
    assert.equal(await told(new Error("it does not end")), "the work failed; it does not end");
    assert.equal(await told(failure), "the work failed");
  });
});
