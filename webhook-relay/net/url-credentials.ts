/** A URL that may have credentials, taken apart. */
export interface SplitUrl {
  /** without credentials */
  readonly url: string;
  /** user and password as they are, no longer percent-encoded; "" for none */
  readonly username: string;
  readonly password: string;
  /** value of the header (RFC 7617); "" without credentials */
  readonly authorization: string;
}

/** Takes the credentials out of a URL, as clients do that send them in a header. What is no URL comes back as it is. Pure. */
export function splitCredentials(url: string): SplitUrl {
  const parsed = URL.canParse(url) ? new URL(url) : undefined;
  if (parsed === undefined || (parsed.username === "" && parsed.password === "")) {
    return { url, username: "", password: "", authorization: "" };
  }
  const username = decode(parsed.username);
  const password = decode(parsed.password);
  parsed.username = "";
  parsed.password = "";
  const authorization = `Basic ${Buffer.from(`${username}:${password}`).toString("base64")}`;
  return { url: parsed.href, username, password, authorization };
}

/** Whether every "%" in the credentials of a URL begins a code, as clients of proxies want it. Pure. */
export function isEncoded(url: string): boolean {
  const { username, password } = new URL(url);
  try {
    decodeURIComponent(`${username}:${password}`);
    return true;
  } catch (error) {
    if (error instanceof URIError) return false;
    throw error;
  }
}

/** A "%" that begins no code stands for itself. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch (error) {
    if (error instanceof URIError) return text;
    throw error;
  }
}
