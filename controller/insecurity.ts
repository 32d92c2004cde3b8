import { Gauge, type Registry } from "prom-client";

/** Registers `tote_controller_insecure`, which is there also where no agents are that could say so. */
export function registerInsecurity(registry: Registry, isInsecure: boolean): void {
  new Gauge({
    name: "tote_controller_insecure",
    help: "1 when the controller runs without TLS and without grants",
    registers: [registry],
  }).set(isInsecure ? 1 : 0);
}
