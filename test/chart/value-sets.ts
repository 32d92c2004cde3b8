/** What the chart is rendered with in the tests, by name. */
export const VALUE_SETS: Readonly<Record<string, object>> = {
  default: {},
  full: {
    image: { repository: "images.example/tote", digest: `sha256:${"0".repeat(64)}` },
    imagePullSecrets: [{ name: "pull" }],
    config: { clusterName: "prod", jsonLog: "auto", logLevel: "debug" },
    podAnnotations: { "example.com/team": "platform" },
    podLabels: { team: "platform" },
    tls: { operator: true },
    tolerations: [{ key: "infra", operator: "Exists" }],
    serviceMonitor: { enabled: true, labels: { release: "prometheus" } },
    prometheusRule: { enabled: true },
    dashboard: { enabled: true, annotations: { folder: "tote" } },
    webhook: { enabled: true, excludedNamespaces: ["istio-system"] },
    agent: { runtime: "k3s", seLinuxOptions: { type: "spc_t" }, maxBandwidth: "100Mi" },
    rbac: { extraRules: [{ apiGroups: ["argoproj.io"], resources: ["rollouts"], verbs: ["get"] }] },
    networkPolicy: {
      apiServer: { cidrs: ["10.0.0.1/32"] },
      metrics: {
        from: [{ namespaceSelector: { matchLabels: { "kubernetes.io/metadata.name": "monitoring" } } }],
      },
      webhook: { cidrs: ["10.0.0.1/32"] },
      relay: { ports: [443] },
    },
    relay: {
      subscriptions: [
        { name: "on-call", type: "webhook", url: "https://on-call.example.com/", secretFiles: ["key"] },
      ],
      secrets: { key: "whsec_c2VjcmV0" },
      persistence: { storageClass: "fast" },
    },
  },
  narrowed: {
    networkPolicy: { relay: { cidrs: ["203.0.113.0/24", "2001:db8::/32"] } },
    notifications: { webhookUrl: "https://hook.example.com/" },
  },
  insecure: {
    tls: { enabled: false, iKnowThisIsInsecure: true },
    notifications: { webhookUrl: "https://x.example/" },
  },
  certManager: { tls: { certManager: { enabled: true }, operator: true }, webhook: { enabled: true } },
  ownSecrets: {
    tls: { secretNames: { controller: "c", agent: "a", relay: "r", webhook: "w" }, webhookCaBundle: "Q0E=" },
    webhook: { enabled: true },
    relay: { existingSecret: "relay-config", tokensSecretName: "relay-tokens" },
  },
  agentNamespace: { agent: { namespace: "tote-agents" } },
  detectionOnly: { agent: { enabled: false }, networkPolicy: { enabled: false }, pdb: { enabled: false } },
  legacy: {
    notifications: { webhookUrl: "https://old.example/hook", events: ["detected", "salvaged"] },
    relay: { persistence: { enabled: false } },
    rbac: { create: false },
    serviceAccount: { create: false, name: "mine" },
    priorityClass: { create: false },
  },
};
