import { createHash } from "node:crypto";
import type { ConnectionOptions } from "node:tls";

import { KubeConfig, type RequestContext } from "@kubernetes/client-node";
import { Agent, ProxyAgent, type Dispatcher } from "undici";

import { CONNECT_TIMEOUT_MS } from "./limits.ts";

type AgentOptions = Agent.Options;
type DispatcherOptions = ReturnType<KubeConfig["createDispatcherOptions"]>;

/** Connections of their own for every request: what is in flight on one does not suffer from another that hangs. */
const CONNECTIONS = {
  // one TCP connection for all watches would take them all with it when it goes half-open
  allowH2: false,
  keepAliveTimeout: 30_000,
  keepAliveMaxTimeout: 60_000,
} satisfies AgentOptions;

const KEEP_ALIVE = { keepAlive: true, keepAliveInitialDelay: 30_000, timeout: CONNECT_TIMEOUT_MS };

const TLS_OPTIONS = ["ca", "cert", "key", "pfx", "passphrase", "rejectUnauthorized", "servername"] as const;

/**
 * A KubeConfig whose requests share their connections. The one of client-node 2.0 makes an agent, and so a TLS
 * connection, for each request. Here it is made anew only when certificates or server settings change.
 */
export class SharedAgentConfig extends KubeConfig {
  #wanted: DispatcherOptions = { type: "none" };
  #current: { readonly fingerprint: string; readonly dispatcher: Dispatcher } | undefined;

  override createDispatcherOptions(
    ...settings: Parameters<KubeConfig["createDispatcherOptions"]>
  ): DispatcherOptions {
    this.#wanted = super.createDispatcherOptions(...settings);
    return this.#wanted;
  }

  override async applySecurityAuthentication(context: RequestContext): Promise<void> {
    await super.applySecurityAuthentication(context);
    context.setDispatcher(this.#shared());
  }

  /** Ends every connection, in use or not. */
  async close(): Promise<void> {
    await this.#current?.dispatcher.destroy();
    this.#current = undefined;
  }

  #shared(): Dispatcher {
    const fingerprint = createHash("sha256").update(JSON.stringify(this.#wanted)).digest("hex");
    if (this.#current?.fingerprint !== fingerprint) {
      const old = this.#current?.dispatcher;
      this.#current = { fingerprint, dispatcher: createDispatcher(this.#wanted) };
      // watches that run on the old certificates go on to their end; nothing is lost when closing fails
      old?.close().catch(() => undefined);
    }
    return this.#current.dispatcher;
  }
}

function createDispatcher(options: DispatcherOptions): Dispatcher {
  switch (options.type) {
    case "none":
      return new Agent({ ...CONNECTIONS, connect: KEEP_ALIVE });
    case "agent":
      return new Agent({ ...CONNECTIONS, connect: { ...tlsOf(options.connect), ...KEEP_ALIVE } });
    case "proxy":
      return new ProxyAgent({
        ...CONNECTIONS,
        uri: options.uri,
        requestTls: { ...tlsOf(options.requestTls), ...KEEP_ALIVE },
      });
    case "socks":
      throw new Error(
        `cannot use proxy-url ${options.uri} of the kubeconfig: only http and https proxies work`,
      );
  }
}

/** What client-node sets of these. */
function tlsOf(options: ConnectionOptions): Pick<ConnectionOptions, (typeof TLS_OPTIONS)[number]> {
  return Object.fromEntries(
    TLS_OPTIONS.flatMap((name) => (options[name] === undefined ? [] : [[name, options[name]]])),
  );
}
