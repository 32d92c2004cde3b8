/**
 * A KubeletConfiguration (kubelet.config.k8s.io/v1beta1) for a node that shares machine, disk and cgroups with others.
 * @param ip of the node
 */
export function kubeletSettings(
  ip: string,
  more: Readonly<Record<string, unknown>> = {},
): Readonly<Record<string, unknown>> {
  return {
    apiVersion: "kubelet.config.k8s.io/v1beta1",
    kind: "KubeletConfiguration",
    address: ip,
    healthzBindAddress: "127.0.0.1",
    // `kubectl logs` comes without a certificate
    authentication: { anonymous: { enabled: true }, webhook: { enabled: false } },
    authorization: { mode: "AlwaysAllow" },
    cgroupDriver: "cgroupfs",
    cgroupsPerQOS: false,
    enforceNodeAllocatable: [],
    failSwapOn: false,
    // the nodes share one disk, which may be rather full
    evictionHard: {
      "memory.available": "10Mi",
      "nodefs.available": "1%",
      "imagefs.available": "1%",
      "nodefs.inodesFree": "1%",
    },
    imageGCHighThresholdPercent: 99,
    imageGCLowThresholdPercent: 98,
    // no services, no iptables
    makeIPTablesUtilChains: false,
    resolvConf: "",
    maxPods: 200,
    oomScoreAdj: 0,
    ...more,
  };
}
