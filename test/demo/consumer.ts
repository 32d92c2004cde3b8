import { Webhook, WebhookVerificationError } from "standardwebhooks";

import { startReceiver, type ReceivedRequest, type Receiver } from "../../webhook-relay/testing/receiver.ts";

/** A message whose signature was good. */
export interface VerifiedMessage {
  /** `webhook-id` */
  readonly id: string;
  readonly type: string;
  readonly subject: string;
  /** somebody asked for it again */
  readonly isReplay: boolean;
}

/** What a consumer does with a message that is good: an answer of 204, or of 400 when it is refused. */
export type Handle = (message: VerifiedMessage) => "taken" | "refused";

/** A webhook consumer as anybody would write it with the `standardwebhooks` package. It can go down and come up. */
export class Consumer {
  readonly #webhook: Webhook;
  readonly #handle: Handle;
  readonly #taken: VerifiedMessage[] = [];
  #receiver: Receiver | undefined;
  #port = 0;
  #forged = 0;

  /** @param key whsec_... */
  constructor(key: string, handle: Handle) {
    this.#webhook = new Webhook(key);
    this.#handle = handle;
  }

  /** Where it listens; the same port each time. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}/hooks/tote`;
  }

  /** Messages that were verified and taken, in order. */
  get taken(): readonly VerifiedMessage[] {
    return this.#taken;
  }

  /** Requests whose signature was wrong. */
  get forged(): number {
    return this.#forged;
  }

  async up(): Promise<void> {
    const receiver = await startReceiver(undefined, { port: this.#port });
    this.#port = receiver.port;
    receiver.behave((request, response) => response.writeHead(this.#answer(request)).end());
    this.#receiver = receiver;
  }

  async down(): Promise<void> {
    await this.#receiver?.close();
    this.#receiver = undefined;
  }

  #answer({ headers, body }: ReceivedRequest): number {
    let event: unknown;
    try {
      event = this.#webhook.verify(body, headers);
    } catch (error) {
      if (!(error instanceof WebhookVerificationError)) throw error;
      this.#forged += 1;
      return 401;
    }
    const message = {
      id: headers["webhook-id"] ?? "",
      type: textOf(event, "type"),
      subject: textOf(event, "subject"),
      isReplay: headers["tote-replay"] === "true",
    };
    if (this.#handle(message) === "refused") return 400;
    this.#taken.push(message);
    return 204;
  }
}

function textOf(value: unknown, name: string): string {
  const found: unknown = typeof value === "object" && value !== null ? Reflect.get(value, name) : undefined;
  return typeof found === "string" ? found : "";
}
