import type { EventData, RelayEvent } from "./event.ts";

/** An event for tests: complete, and what the caller gives instead. */
export function testEvent(
  changes: Partial<Omit<RelayEvent, "data">> & { readonly data?: Partial<EventData> } = {},
): RelayEvent {
  const { data, ...rest } = changes;
  return {
    id: "0f".repeat(32),
    type: "tote.image.detected",
    source: "test-cluster",
    time: "2026-01-31T12:00:00.000Z",
    subject: "shop/web-1",
    ...rest,
    data: {
      incident: "1c".repeat(16),
      record: "web-7f9c",
      owner: { kind: "Deployment", name: "web" },
      pod: "web-1",
      namespace: "shop",
      container: "app",
      image: "registry.example/web:1.2",
      digest: `sha256:${"ab".repeat(32)}`,
      cause: "unreachable",
      reason: "ImagePullBackOff",
      severity: "warning",
      sourceNodes: ["node-a", "node-b"],
      targetNode: "node-c",
      bytes: 0,
      durationMs: 0,
      attempt: 0,
      message: "the registry cannot be reached",
      ...data,
    },
  };
}
