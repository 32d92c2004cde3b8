import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { InvalidValueError } from "./errors.ts";
import { checkCancel, checkExport, checkImport, checkImportBlob, EpochGuard } from "./grant-check.ts";
import type { ExportTerms, ImportTerms } from "./grant-check.ts";
import type { ExportClaims, ImportClaims } from "./grant-claims.ts";
import { GrantError } from "./grant-error.ts";
import type { GrantErrorCode } from "./grant-error.ts";

const DIGEST = `sha256:${"a".repeat(64)}`;
const OTHER = `sha256:${"c".repeat(64)}`;
const BLOB = `sha256:${"b".repeat(64)}`;
const A = { node: "node-a", endpoint: "https://10.0.0.7:9090" };
const C = { node: "node-c", endpoint: "https://10.0.0.9:9090" };

const COMMON = {
  jti: "g-1",
  nbf: 1,
  exp: 2,
  digest: DIGEST,
  target: { node: "node-b" },
  sources: [A, C],
  record: "shop/salvage-1",
  epoch: 3,
};
const IMPORT: ImportClaims = {
  ...COMMON,
  op: "import",
  names: ["docker.io/library/nginx:1.25", `quay.io/app@${DIGEST}`],
  max_bytes: 1000,
  blobs: [BLOB],
  export_grant: "a.b.c",
};
const EXPORT: ExportClaims = { ...COMMON, op: "export", blobs: [DIGEST, BLOB] };
const TERMS: ImportTerms = {
  digest: DIGEST,
  names: ["nginx:1.25", `quay.io/app@${DIGEST}`],
  sources: [A, C],
  maxBytes: 1000n,
};

function importing(
  terms: Partial<ImportTerms> = {},
  claims: Partial<ImportClaims> = {},
  node = "node-b",
): ImportClaims {
  return checkImport({ ...IMPORT, ...claims }, { ...TERMS, ...terms }, node);
}

function exporting(terms: Partial<ExportTerms> = {}, node = "node-a"): ExportClaims {
  return checkExport(EXPORT, { digest: BLOB, imageDigest: DIGEST, ...terms }, node);
}

function refused(code: GrantErrorCode, message?: RegExp): (error: unknown) => boolean {
  return (error) => {
    assert.ok(error instanceof GrantError, String(error));
    assert.equal(error.code, code, error.message);
    if (message !== undefined) assert.match(error.message, message);
    return true;
  };
}

describe("checkImport", () => {
  it("accepts the request that was granted, in any order and spelling of names", () => {
    assert.equal(importing().export_grant, "a.b.c");
    importing({ names: TERMS.names.toReversed(), sources: [C, A], maxBytes: 1000 });
    importing({
      names: ["docker.io/nginx:1.25", "index.docker.io/library/nginx:1.25", `quay.io/app:v1@${DIGEST}`],
    });
    importing({ names: [], sources: [] }, { names: [], sources: [] });
  });

  it("refuses another digest", () =>
    assert.throws(() => importing({ digest: OTHER }), refused("wrong_digest", /aaaa.*cccc/)));

  it("refuses to work on another node", () => {
    assert.throws(() => importing({}, {}, "node-x"), refused("wrong_node", /"node-b".*"node-x"/));
    assert.throws(() => importing({}, {}, "NODE-B"), refused("wrong_node"));
  });

  it("refuses an extra, a missing and another name", () => {
    const extra = [...TERMS.names, "evil:1"];
    assert.throws(
      () => importing({ names: extra }),
      refused("wrong_names", /"docker.io\/library\/evil:1" is not in the grant/),
    );
    assert.throws(
      () => importing({ names: ["nginx:1.25"] }),
      refused("wrong_names", /quay.io.*missing in the request/),
    );
    assert.throws(() => importing({ names: ["nginx:1.26", TERMS.names[1] ?? ""] }), refused("wrong_names"));
    assert.throws(() => importing({ names: [] }), refused("wrong_names"));
  });

  it("refuses an extra, a missing and another source, by node and by endpoint", () => {
    const moved = { ...A, endpoint: "https://10.0.0.8:9090" };
    const renamed = { ...A, node: "node-d" };
    for (const sources of [
      [A],
      [A, C, moved],
      [moved, C],
      [renamed, C],
      [],
      [A, C, { node: "x", endpoint: "" }],
    ]) {
      assert.throws(() => importing({ sources }), refused("wrong_sources"), JSON.stringify(sources));
    }
  });

  it("refuses another size limit, none included", () => {
    for (const maxBytes of [0n, 999n, 1001n, 2n ** 62n]) {
      assert.throws(() => importing({ maxBytes }), refused("wrong_max_bytes"));
    }
    assert.throws(() => importing({ maxBytes: 1000n }, { max_bytes: 0 }), refused("wrong_max_bytes"));
  });

  it("refuses an export grant", () => {
    assert.throws(() => checkImport(EXPORT, TERMS, "node-b"), refused("wrong_operation"));
  });

  it("refuses a grant whose sources are no https address", () => {
    for (const endpoint of ["http://10.0.0.7:9090", "https://evil.example:443", "https://10.0.0.7:9090/x"]) {
      const sources = [{ node: "node-a", endpoint }];
      assert.throws(() => importing({ sources }, { sources }), refused("malformed", /sources\[0\].endpoint/));
    }
  });

  it("says invalid value, not denied, when the request names no image", () => {
    assert.throws(
      () => importing({ names: ["Not An Image"] }),
      (error) => error instanceof InvalidValueError && error.field === "names[0]",
    );
    assert.throws(() => importing({}, { names: ["Not An Image"] }), refused("malformed", /names\[0\]/));
  });
});

describe("checkExport", () => {
  it("accepts a listed blob on a granted source, with and without image digest", () => {
    exporting();
    exporting({ imageDigest: "", digest: DIGEST }, "node-c");
  });

  it("refuses a blob outside the list", () => {
    assert.throws(() => exporting({ digest: OTHER }), refused("blob_not_listed", /lists 2 blobs/));
  });

  it("refuses another image", () =>
    assert.throws(() => exporting({ imageDigest: OTHER }), refused("wrong_digest")));

  it("refuses to serve from a node that is no source, the target included", () => {
    assert.throws(() => exporting({}, "node-b"), refused("wrong_node"));
  });

  it("refuses an import grant", () => {
    assert.throws(
      () => checkExport(IMPORT, { digest: BLOB, imageDigest: "" }, "node-a"),
      refused("wrong_operation"),
    );
  });
});

describe("checkImportBlob and checkCancel", () => {
  it("accept the granted blob or image on the target", () => {
    assert.equal(checkImportBlob(IMPORT, BLOB, "node-b"), IMPORT);
    assert.equal(checkCancel(IMPORT, DIGEST, "node-b"), IMPORT);
  });

  it("refuse another blob, image, node and operation", () => {
    assert.throws(() => checkImportBlob(IMPORT, OTHER, "node-b"), refused("blob_not_listed"));
    assert.throws(() => checkImportBlob(IMPORT, BLOB, "node-a"), refused("wrong_node"));
    assert.throws(() => checkImportBlob(EXPORT, BLOB, "node-b"), refused("wrong_operation"));
    assert.throws(() => checkCancel(IMPORT, OTHER, "node-b"), refused("wrong_digest"));
    assert.throws(() => checkCancel(IMPORT, DIGEST, "node-a"), refused("wrong_node"));
    assert.throws(() => checkCancel(EXPORT, DIGEST, "node-b"), refused("wrong_operation"));
  });
});

describe("EpochGuard", () => {
  it("lets the epoch stay or grow, and refuses a smaller one for good", () => {
    const guard = new EpochGuard();
    guard.check({ epoch: 0 });
    guard.check({ epoch: 3 });
    guard.check({ epoch: 3 });
    guard.check({ epoch: 7 });
    assert.throws(() => guard.check({ epoch: 6 }), refused("old_epoch", /leader 6, leader 7/));
    assert.equal(guard.largest, 7);
    guard.check({ epoch: 7 });
  });
});
