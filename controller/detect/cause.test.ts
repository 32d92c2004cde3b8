import assert from "node:assert/strict";
import { test } from "node:test";

import { KUBELET_TEXTS } from "../testing/kubelet-texts.ts";
import { classifyCause } from "./cause.ts";
import type { FailureCause } from "./failure.ts";

for (const { name, reason, message, cause } of KUBELET_TEXTS.filter(
  (text) => text.reason === "ErrImagePull",
)) {
  test(`the cause of "${name}" is ${cause}, also inside a back-off message`, () => {
    assert.equal(classifyCause(message), cause);
    assert.equal(
      classifyCause(`Back-off pulling image "registry.test:5000/app:v1": ${reason}: ${message}`),
      cause,
    );
  });
}

/** Texts of other releases and registries, after their sources. */
const OTHERS: readonly (readonly [FailureCause, string])[] = [
  // containerd 1.7 and 2
  [
    "unauthorized",
    'failed to resolve reference "r.test/app:v1": unexpected status from HEAD request to https://r.test/v2/app/manifests/v1: 401 Unauthorized',
  ],
  [
    "unauthorized",
    'failed to resolve reference "docker.io/acme/app:v1": pull access denied, repository does not exist or may require authorization: server message: insufficient_scope: authorization failed',
  ],
  [
    "unauthorized",
    "unexpected status code https://r.test/v2/app/manifests/v1: 403 Forbidden - Server message: denied: Permission denied",
  ],
  // the token server is away: nobody has refused anything
  [
    "timeout",
    'failed to authorize: failed to fetch anonymous token: Get "https://auth.test/token": dial tcp 10.0.0.1:443: i/o timeout',
  ],
  [
    "unreachable",
    'failed to authorize: failed to fetch oauth token: Post "https://auth.test/token": dial tcp: lookup auth.test: no such host',
  ],
  ["unauthorized", "failed to authorize: failed to fetch oauth token: unexpected status: 403 Forbidden"],
  [
    "rate_limited",
    "429 Too Many Requests - Server message: toomanyrequests: You have reached your unauthenticated pull rate limit. https://www.docker.com/increase-rate-limit",
  ],
  ["rate_limited", "pull QPS exceeded"],
  ["timeout", 'Get "https://r.test/v2/": net/http: TLS handshake timeout'],
  ["timeout", "rpc error: code = DeadlineExceeded desc = context deadline exceeded"],
  [
    "timeout",
    'Get "https://r.test/v2/": context deadline exceeded (Client.Timeout exceeded while awaiting headers)',
  ],
  ["timeout", "dial tcp 10.0.0.1:443: connect: connection timed out"],
  [
    "timeout",
    "unexpected status from HEAD request to https://r.test/v2/app/manifests/v1: 504 Gateway Timeout",
  ],
  // containerd 1.7 and newer, after image_pull_progress_timeout
  [
    "timeout",
    'rpc error: code = Canceled desc = failed to pull and unpack image "r.test/app:v1": failed to copy: httpReadSeeker: failed open: failed to do request: Get "https://r.test/v2/app/blobs/sha256:aa": context canceled',
  ],
  [
    "unreachable",
    'failed to do request: Get "https://r.test/v2/app/blobs/sha256:aa": http2: client connection lost',
  ],
  ["tls", 'Head "https://r.test/v2/": tls: failed to verify certificate: x509: certificate has expired'],
  ["tls", "tls: first record does not look like a TLS handshake"],
  ["unreachable", "read tcp 10.0.0.2:4000->10.0.0.1:443: read: connection reset by peer"],
  ["unreachable", 'proxyconnect tcp: dial tcp 10.0.0.9:3128: connect: connection refused"'],
  ["unreachable", "dial tcp 10.0.0.1:443: connect: network is unreachable"],
  ["unreachable", "image pull failed for r.test/app:v1 because the registry is unavailable."],
  ["not_found", "Error response from daemon: manifest for app:v1 not found: manifest unknown"],
  ["unknown", "something nobody has written down"],
];

for (const [cause, message] of OTHERS) {
  test(`${cause}: ${message.slice(-70)}`, () => {
    assert.equal(classifyCause(message), cause);
  });
}

test("a back-off message without the error says nothing", () => {
  assert.equal(classifyCause('Back-off pulling image "registry.test:5000/app:v1"'), undefined);
  assert.equal(classifyCause(""), undefined);
});

test("a name that the pod chose does not change the cause", () => {
  const names = ["page-not-found:EOF", "x509/tls:v1", "unauthorized/denied:429", "toomanyrequests:x509"];
  for (const name of names) {
    const message = `failed to pull and unpack image "r.test/${name}": failed to do request: Head "https://r.test/v2/${name}": dial tcp 10.0.0.1:5000: connect: connection refused`;
    assert.equal(classifyCause(message), "unreachable", name);
  }
});

test("a message of a megabyte is classified in no time", () => {
  const started = performance.now();
  classifyCause(`${'image "'.repeat(150_000)}: not foun`);
  assert.ok(performance.now() - started < 1000);
});
