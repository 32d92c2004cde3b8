/** What Slack refuses, after its documentation; written apart from the relay, so that a mistake there shows here. */

type Json = Readonly<Record<string, unknown>>;

/** Links, mentions and dates: whatever begins with an unescaped "<". */
const MARKUP = /<[^>]*>?/g;

/** Why a message is refused, in Slack's word; "" when it is taken. */
export function refusalOf(body: Json): string {
  const { text, blocks } = body;
  const hasText = typeof text === "string" && text !== "";
  if (typeof text === "string" && text.length > 40_000) return "msg_too_long";
  if (blocks === undefined) return hasText ? "" : "no_text";
  if (!Array.isArray(blocks)) return "invalid_blocks_format";
  if (blocks.length === 0) return hasText ? "" : "no_text";
  if (blocks.length > 50 || !blocks.every(isGoodBlock)) return "invalid_blocks";
  const ids = blocks.flatMap((block: unknown) => fieldsOf(block)["block_id"] ?? []);
  if (new Set(ids).size < ids.length) return "invalid_blocks";
  const total = blocks.flatMap(textsOf).reduce((sum, one) => sum + one.length, 0);
  return total > 13_200 ? "msg_blocks_too_long" : "";
}

/** Every text of a message, the fallback too. */
export function textsOfMessage(body: Json): readonly string[] {
  const { text, blocks } = body;
  return [typeof text === "string" ? text : "", ...(Array.isArray(blocks) ? blocks.flatMap(textsOf) : [])];
}

/** What would be a link, a mention or a call of the whole channel, anywhere in a message. */
export function markupOf(body: Json): readonly string[] {
  return textsOfMessage(body).flatMap((text) => [
    ...(text.match(MARKUP) ?? []),
    ...(text.match(/@(?:channel|here|everyone)\b/gi) ?? []),
    ...(text.isWellFormed() ? [] : ["half a character"]),
  ]);
}

function isGoodBlock(value: unknown): boolean {
  const block = fieldsOf(value);
  const { type, block_id: id, text, fields, elements } = block;
  if (id !== undefined && !(typeof id === "string" && id.length <= 255 && id !== "")) return false;
  switch (type) {
    case "header":
      return isText(text, 150) && fieldsOf(text)["type"] === "plain_text";
    case "section":
      if (text === undefined && fields === undefined) return false;
      if (text !== undefined && !isText(text, 3000)) return false;
      return fields === undefined || isList(fields, 10, 2000);
    case "context":
      return isList(elements, 10, 3000);
    case "divider":
      return true;
    default:
      return false;
  }
}

function isList(value: unknown, count: number, max: number): boolean {
  return (
    Array.isArray(value) &&
    value.length > 0 &&
    value.length <= count &&
    value.every((one) => isText(one, max))
  );
}

function isText(value: unknown, max: number): boolean {
  const { type, text, emoji, verbatim } = fieldsOf(value);
  if (typeof text !== "string" || text === "" || text.length > max) return false;
  if (type === "plain_text") return verbatim === undefined;
  return type === "mrkdwn" && emoji === undefined;
}

function textsOf(value: unknown): readonly string[] {
  if (Array.isArray(value)) return value.flatMap(textsOf);
  const found = fieldsOf(value);
  return Object.entries(found).flatMap(([name, inner]) =>
    name === "text" && typeof inner === "string" ? [inner] : typeof inner === "object" ? textsOf(inner) : [],
  );
}

function fieldsOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? Object.fromEntries(Object.entries(value)) : {};
}
