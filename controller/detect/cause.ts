import type { FailureCause } from "./failure.ts";

/**
 * What messages say, first match wins. Texts are those of containerd's `remotes/docker`, Go's `net` and `crypto/x509`, of
 * registries, and of the kubelet. Each has a blank or another character that no image name has, since messages repeat
 * the name that the pod chose.
 *
 * A pull is cancelled by containerd itself, 1.7 and newer, when nothing has arrived for `image_pull_progress_timeout`.
 *
 * Unauthorised comes first, because less is allowed then. Docker Hub answers so for a repository that does not exist,
 * too: nobody can tell the two apart.
 */
const PATTERNS: readonly (readonly [FailureCause, RegExp])[] = [
  [
    "unauthorized",
    /\b401 Unauthorized\b|\b403 Forbidden\b|\bunauthorized: |\bdenied: |\bpull access denied\b|insufficient_scope: |authorization failed|authentication required|no basic auth credentials|access to the resource is denied/i,
  ],
  ["rate_limited", /\b429 Too Many Requests\b|toomanyrequests: |pull rate limit|pull QPS exceeded/i],
  [
    "tls",
    /\bx509: |\btls: |certificate signed by unknown authority|server gave HTTP response to HTTPS client|not look like a TLS handshake/i,
  ],
  [
    "timeout",
    /i\/o timeout|TLS handshake timeout|context deadline exceeded|Client\.Timeout exceeded|timeout awaiting response|(?:connection|operation) timed out|504 Gateway Time-?out|408 Request Time-?out|: context canceled\b|code = Canceled\b/i,
  ],
  [
    "unreachable",
    /connection refused|no such host|server misbehaving|no route to host|network is unreachable|connection reset by peer|broken pipe|host is down|: (?:unexpected )?EOF\b|\b5\d\d (?:Internal Server Error|Bad Gateway|Service Unavailable)|registry is unavailable|no available registry endpoint|name resolution|unexpected media type text\/html|proxyconnect tcp|http2: client connection lost|server sent GOAWAY/i,
  ],
  [
    "not_found",
    /: not found\b|manifest unknown|name unknown|\b404 Not Found\b|code = NotFound\b|no such image/i,
  ],
];

/** The kubelet backs off and does not say why: kubelets before 1.32, or a kubelet that was restarted. */
const BARE_BACK_OFF = /^Back-off pulling image "[^"]*"$/;

/**
 * Why a pull failed, from the message of the kubelet or of the runtime.
 * @returns undefined when the message says nothing about it
 */
export function classifyCause(message: string): FailureCause | undefined {
  if (message.trim() === "" || BARE_BACK_OFF.test(message)) return undefined;
  return PATTERNS.find(([, pattern]) => pattern.test(message))?.[0] ?? "unknown";
}
