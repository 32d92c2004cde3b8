import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { protocolOf } from "./sniff.ts";

describe("the first bytes of a connection", () => {
  for (const [bytes, protocol] of [
    ["", undefined],
    ["P", undefined],
    ["PRI * HTTP/2.", undefined],
    ["PRI * HTTP/2.0", "http2"],
    ["PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "http2"],
    ["PRI * HTTP/2.1", "http1"],
    ["PRI * HTTP/1.1", "http1"],
    ["PROPFIND / HTTP/1.1", "http1"],
    ["PRO", "http1"],
    ["POST", "http1"],
    ["PO", "http1"],
    ["G", "http1"],
    ["pri * http/2.0", "http1"],
    ["\x16\x03\x01", "http1"],
  ] as const) {
    it(`${JSON.stringify(bytes)} mean ${protocol ?? "nothing yet"}`, () => {
      assert.equal(protocolOf(Buffer.from(bytes, "latin1")), protocol);
    });
  }
});
