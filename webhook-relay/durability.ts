import { Gauge, type Registry } from "prom-client";

/** Registers `tote_relay_store_ephemeral`: 1 where the store is lost with the pod. */
export function registerDurability(registry: Registry, isEphemeral: boolean): void {
  const gauge = new Gauge({
    name: "tote_relay_store_ephemeral",
    help: "1 when the store is lost with the pod, and what is not delivered with it",
    registers: [registry],
  });
  gauge.set(isEphemeral ? 1 : 0);
}
