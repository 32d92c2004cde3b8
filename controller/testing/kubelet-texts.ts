/**
 * What real kubelets and containerds said (Kubernetes 1.20.2 with containerd 1.6.20), with what it means. Hosts have names
 * and addresses that are set aside for examples.
 */

import type { FailureCause, FailureProblem, FailureReason } from "../detect/failure.ts";

/** One waiting state as a kubelet wrote it. */
export interface KubeletText {
  readonly name: string;
  readonly reason: FailureReason;
  readonly message: string;
  readonly cause: FailureCause;
  readonly problem: FailureProblem;
}

/** Waiting states of containers. */
export const KUBELET_TEXTS: readonly KubeletText[] = [
  {
    name: "connection refused, by digest",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app@sha256:816c11b8ce8137ccf478c09306639ae53fd474ad5cb89b6bb1042ba707510b52": failed to resolve reference "images.test:5000/app@sha256:816c11b8ce8137ccf478c09306639ae53fd474ad5cb89b6bb1042ba707510b52": failed to do request: Head "http://images.test:5000/v2/app/manifests/sha256:816c11b8ce8137ccf478c09306639ae53fd474ad5cb89b6bb1042ba707510b52": dial tcp 192.0.2.1:5000: connect: connection refused',
    cause: "unreachable",
    problem: "missing",
  },
  {
    name: "connection refused, without tag",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:latest": failed to resolve reference "images.test:5000/app:latest": failed to do request: Head "http://images.test:5000/v2/app/manifests/latest": dial tcp 192.0.2.1:5000: connect: connection refused',
    cause: "unreachable",
    problem: "missing",
  },
  {
    name: "connection refused, https",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:v1": failed to resolve reference "images.test:5000/app:v1": failed to do request: Head "https://images.test:5000/v2/app/manifests/v1": dial tcp 192.0.2.1:5001: connect: connection refused',
    cause: "unreachable",
    problem: "missing",
  },
  {
    name: "no such tag",
    reason: "ErrImagePull",
    message:
      'rpc error: code = NotFound desc = failed to pull and unpack image "images.test:5000/app:v1": failed to resolve reference "images.test:5000/app:v1": images.test:5000/app:v1: not found',
    cause: "not_found",
    problem: "missing",
  },
  {
    name: "no such digest",
    reason: "ErrImagePull",
    message:
      'rpc error: code = NotFound desc = failed to pull and unpack image "images.test:5000/app@sha256:816c11b8ce8137ccf478c09306639ae53fd474ad5cb89b6bb1042ba707510b52": failed to resolve reference "images.test:5000/app@sha256:816c11b8ce8137ccf478c09306639ae53fd474ad5cb89b6bb1042ba707510b52": images.test:5000/app@sha256:816c11b8ce8137ccf478c09306639ae53fd474ad5cb89b6bb1042ba707510b52: not found',
    cause: "not_found",
    problem: "missing",
  },
  {
    name: "401 of a registry with basic authentication",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:v1": failed to resolve reference "images.test:5000/app:v1": pulling from host images.test:5000 failed with status code [manifests v1]: 401 Unauthorized',
    cause: "unauthorized",
    problem: "missing",
  },
  {
    name: "401 of a token server",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:v1": failed to resolve reference "images.test:5000/app:v1": failed to authorize: failed to fetch anonymous token: unexpected status: 401 Unauthorized',
    cause: "unauthorized",
    problem: "missing",
  },
  {
    name: "403 with a token",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:v1": failed to resolve reference "images.test:5000/app:v1": pulling from host images.test:5000 failed with status code [manifests v1]: 403 Forbidden',
    cause: "unauthorized",
    problem: "missing",
  },
  {
    name: "429",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:v1": failed to resolve reference "images.test:5000/app:v1": pulling from host images.test:5000 failed with status code [manifests v1]: 429 Too Many Requests',
    cause: "rate_limited",
    problem: "missing",
  },
  {
    name: "500",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:v1": failed to resolve reference "images.test:5000/app:v1": pulling from host images.test:5000 failed with status code [manifests v1]: 500 Internal Server Error',
    cause: "unreachable",
    problem: "missing",
  },
  {
    name: "503",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:v1": failed to resolve reference "images.test:5000/app:v1": pulling from host images.test:5000 failed with status code [manifests v1]: 503 Service Unavailable',
    cause: "unreachable",
    problem: "missing",
  },
  {
    name: "a captive portal answers",
    reason: "ErrImagePull",
    message:
      'rpc error: code = NotFound desc = failed to pull and unpack image "images.test:5000/app:v1": failed to unpack image on snapshotter overlayfs: unexpected media type text/html for sha256:3f2fc08156805074a3413d0315d46031e3c8b0424a587ca301eaf6b2d5267e82: not found',
    cause: "unreachable",
    problem: "missing",
  },
  {
    name: "self-signed certificate",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:v1": failed to resolve reference "images.test:5000/app:v1": failed to do request: Head "https://images.test:5000/v2/app/manifests/v1": x509: certificate signed by unknown authority',
    cause: "tls",
    problem: "missing",
  },
  {
    name: "https to an http server",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:v2": failed to resolve reference "images.test:5000/app:v2": failed to do request: Head "https://images.test:5000/v2/app/manifests/v2": http: server gave HTTP response to HTTPS client',
    cause: "tls",
    problem: "missing",
  },
  {
    name: "http to an https server",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:v2": failed to resolve reference "images.test:5000/app:v2": failed to do request: Head "http://images.test:5000/v2/app/manifests/v2": EOF',
    cause: "unreachable",
    problem: "missing",
  },
  {
    name: "connection closed",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:v1": failed to resolve reference "images.test:5000/app:v1": failed to do request: Head "http://images.test:5000/v2/app/manifests/v1": EOF',
    cause: "unreachable",
    problem: "missing",
  },
  {
    name: "digest missing on the server",
    reason: "ErrImagePull",
    message:
      'rpc error: code = NotFound desc = failed to pull and unpack image "images.test:5000/app@sha256:0000000000000000000000000000000000000000000000000000000000000001": failed to resolve reference "images.test:5000/app@sha256:0000000000000000000000000000000000000000000000000000000000000001": images.test:5000/app@sha256:0000000000000000000000000000000000000000000000000000000000000001: not found',
    cause: "not_found",
    problem: "missing",
  },
  {
    name: "no such host",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "nx.test:5000/app:v1": failed to resolve reference "nx.test:5000/app:v1": failed to do request: Head "http://nx.test:5000/v2/app/manifests/v1": dial tcp: lookup nx.test on 10.255.255.53:53: no such host',
    cause: "unreachable",
    problem: "missing",
  },
  {
    name: "DNS server fails",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "servfail.test:5000/app:v1": failed to resolve reference "servfail.test:5000/app:v1": failed to do request: Head "http://servfail.test:5000/v2/app/manifests/v1": dial tcp: lookup servfail.test on 10.255.255.53:53: server misbehaving',
    cause: "unreachable",
    problem: "missing",
  },
  {
    name: "no route",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "192.0.2.77:5000/app:v1": failed to resolve reference "192.0.2.77:5000/app:v1": failed to do request: Head "http://192.0.2.77:5000/v2/app/manifests/v1": dial tcp 192.0.2.77:5000: connect: no route to host',
    cause: "unreachable",
    problem: "missing",
  },
  {
    name: "upper case in the name",
    reason: "InvalidImageName",
    message:
      'Failed to apply default image tag "images.test:5000/App_UPPER:v1": couldn\'t parse image reference "images.test:5000/App_UPPER:v1": invalid reference format: repository name must be lowercase',
    cause: "unknown",
    problem: "unusable",
  },
  {
    name: "two tags",
    reason: "InvalidImageName",
    message:
      'Failed to apply default image tag "images.test:5000/app:v1:v2": couldn\'t parse image reference "images.test:5000/app:v1:v2": invalid reference format',
    cause: "unknown",
    problem: "unusable",
  },
  {
    name: "missing on the node: layer nounpack",
    reason: "CreateContainerError",
    message:
      "failed to create containerd container: error unpacking image: failed to extract layer sha256:6fcf184fbf191faa927ea912091837f4bd7a53d6d2042c21b13de9c0fc8440d4: failed to get reader from content store: content digest sha256:6fcf184fbf191faa927ea912091837f4bd7a53d6d2042c21b13de9c0fc8440d4: not found",
    cause: "unknown",
    problem: "corrupt",
  },
  {
    name: "missing on the node: layer unpacked snapsgone",
    reason: "CreateContainerError",
    message:
      "failed to create containerd container: error unpacking image: failed to extract layer sha256:33b49bbd50222c7e1e2a6d4af784ada196c598dc332d558a21c281fba6de88d5: failed to get reader from content store: content digest sha256:33b49bbd50222c7e1e2a6d4af784ada196c598dc332d558a21c281fba6de88d5: not found",
    cause: "unknown",
    problem: "corrupt",
  },
  {
    name: "missing on the node: config nounpack",
    reason: "CreateContainerError",
    message:
      "failed to create containerd container: error unpacking image: failed to resolve rootfs: content digest sha256:3257c3d3a655fc0d4562a6c8f83d18ddd3b65e2b1c52e67613499f73780bf4b9: not found",
    cause: "unknown",
    problem: "corrupt",
  },
  {
    name: "missing on the node: config unpacked",
    reason: "CreateContainerError",
    message:
      "failed to create containerd container: error unpacking image: failed to resolve rootfs: content digest sha256:5d20183800591831d44dad996f9173a4cca8a23653427dc90961ed43447a7525: not found",
    cause: "unknown",
    problem: "corrupt",
  },
  {
    name: "missing on the node: manifest unpacked",
    reason: "CreateContainerError",
    message:
      "failed to create containerd container: error unpacking image: content digest sha256:22935e452d10755f702f720acb20d417a8f4b86384635a732443e23d121a2a0d: not found",
    cause: "unknown",
    problem: "corrupt",
  },
  {
    name: "missing on the node: alllayers nounpack",
    reason: "CreateContainerError",
    message:
      "failed to create containerd container: error unpacking image: failed to extract layer sha256:c9e14c087f101552288d5700aefd899106ea1e2724ce986f217b1d49474c321a: failed to get reader from content store: content digest sha256:c9e14c087f101552288d5700aefd899106ea1e2724ce986f217b1d49474c321a: not found",
    cause: "unknown",
    problem: "corrupt",
  },
  {
    name: "blob missing on the server",
    reason: "ErrImagePull",
    message:
      'rpc error: code = NotFound desc = failed to pull and unpack image "images.test:5000/app:v1": failed to copy: httpReadSeeker: failed open: could not fetch content descriptor sha256:9b537d43de1a75ed63ec81ac28efa3b61d39567463fcdff782d0d295c0d4e1f1 (application/vnd.oci.image.config.v1+json) from remote: not found',
    cause: "not_found",
    problem: "missing",
  },
  {
    name: "blob cut short",
    reason: "ErrImagePull",
    message:
      'rpc error: code = Unknown desc = failed to pull and unpack image "images.test:5000/app:v1": failed to read expected number of bytes: unexpected EOF',
    cause: "unreachable",
    problem: "missing",
  },
  {
    name: "blob with wrong bytes",
    reason: "ErrImagePull",
    message:
      'rpc error: code = FailedPrecondition desc = failed to pull and unpack image "images.test:5000/app:v1": failed commit on ref "config-sha256:5b30ee0f9caba5e1466c910b93ba7895bbe9e3239ec5f742d192bb4a59c968ec": unexpected commit digest sha256:746ff0319ad6d87939cc5ddabacce21357c166b2aa86a1283cfab356f29469da, expected sha256:5b30ee0f9caba5e1466c910b93ba7895bbe9e3239ec5f742d192bb4a59c968ec: failed precondition',
    cause: "unknown",
    problem: "missing",
  },
  {
    name: "config missing on the server",
    reason: "ErrImagePull",
    message:
      'rpc error: code = NotFound desc = failed to pull and unpack image "images.test:5000/app:v1": failed to copy: httpReadSeeker: failed open: could not fetch content descriptor sha256:4a7ae1c8eeaff4d6ed635a67ddc4c0963f356373cb3ebb33d578f18f9859a7a4 (application/vnd.oci.image.config.v1+json) from remote: not found',
    cause: "not_found",
    problem: "missing",
  },
  {
    name: "no such platform",
    reason: "ErrImagePull",
    message:
      'rpc error: code = NotFound desc = failed to pull and unpack image "images.test:5000/app:v1": no match for platform in manifest: not found',
    cause: "not_found",
    problem: "missing",
  },
  {
    name: "manifest missing on the server",
    reason: "ErrImagePull",
    message:
      'rpc error: code = NotFound desc = failed to pull and unpack image "images.test:5000/app:v1": failed to copy: httpReadSeeker: failed open: content at http://images.test:5000/v2/app/manifests/sha256:0000000000000000000000000000000000000000000000000000000000000002 not found: not found',
    cause: "not_found",
    problem: "missing",
  },
];

/** The note of an Event FailedCreatePodSandBox. */
export const SANDBOX_TEXT =
  'Failed to create pod sandbox: rpc error: code = Unknown desc = failed to get sandbox image "tote.test/pause:1": failed to pull image "tote.test/pause:1": failed to pull and unpack image "tote.test/pause:1": failed to resolve reference "tote.test/pause:1": failed to do request: Head "https://tote.test/v2/pause/manifests/1": dial tcp 192.0.2.1:443: connect: connection refused';
