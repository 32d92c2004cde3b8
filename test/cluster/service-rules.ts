import { asObject, asObjects, asText } from "../../controller/objects/json.ts";

/** A port of a Service, and where it leads. */
export interface ServicePort {
  /** "namespace/name" */
  readonly service: string;
  /** of the Service */
  readonly ip: string;
  readonly port: number;
  /** "ip:port" of its endpoints that are ready */
  readonly targets: readonly string[];
}

const MAX_LIST = 1000;

/** Ports of the Services with an address, from lists of v1 Service and v1 Endpoints as the API server answers them. */
export function servicePorts(services: unknown, endpoints: unknown): readonly ServicePort[] {
  const subsets = new Map(
    items(endpoints).map((item) => [keyOf(item), asObjects(item["subsets"], MAX_LIST)] as const),
  );
  return items(services).flatMap((item) => {
    const spec = asObject(item["spec"]);
    const ip = asText(spec["clusterIP"]);
    if (ip === "" || ip === "None") return [];
    const service = keyOf(item);
    return asObjects(spec["ports"], MAX_LIST).map((entry) => ({
      service,
      ip,
      port: Number(entry["port"]),
      targets: targetsOf(subsets.get(service) ?? [], asText(entry["name"])),
    }));
  });
}

/**
 * Rules for `iptables-restore --table nat`: what a kube-proxy would say, shorter. Answers come back through the node
 * (MASQUERADE), also from pods of the same bridge.
 */
export function natRules(ports: readonly ServicePort[]): string {
  const rules = ports.flatMap(({ ip, port, targets }) =>
    targets.map((target, at) => {
      const left = targets.length - at;
      const share = left === 1 ? "" : ` -m statistic --mode random --probability ${(1 / left).toFixed(6)}`;
      return `-A PREROUTING -d ${ip}/32 -p tcp --dport ${port}${share} -j DNAT --to-destination ${target}`;
    }),
  );
  const chains = ["PREROUTING", "INPUT", "OUTPUT", "POSTROUTING"].map((chain) => `:${chain} ACCEPT [0:0]`);
  const back = "-A POSTROUTING -m conntrack --ctstate DNAT -j MASQUERADE";
  return ["*nat", ...chains, ...rules, back, "COMMIT", ""].join("\n");
}

function targetsOf(
  subsets: readonly Readonly<Record<string, unknown>>[],
  portName: string,
): readonly string[] {
  return subsets.flatMap((subset) => {
    const port = asObjects(subset["ports"], MAX_LIST).find((one) => asText(one["name"]) === portName);
    if (port === undefined) return [];
    return asObjects(subset["addresses"], MAX_LIST).map(({ ip }) => `${asText(ip)}:${Number(port["port"])}`);
  });
}

function items(list: unknown): readonly Readonly<Record<string, unknown>>[] {
  return asObjects(asObject(list)["items"], MAX_LIST);
}

function keyOf(item: Readonly<Record<string, unknown>>): string {
  const metadata = asObject(item["metadata"]);
  return `${asText(metadata["namespace"])}/${asText(metadata["name"])}`;
}
