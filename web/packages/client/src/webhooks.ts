/**
 * Verifies webhooks of Standard Webhooks 1.0.0 (`v1` HMAC-SHA256, `v1a` ed25519) with WebCrypto alone: it runs in
 * browsers' workers, at the edge, in Deno, Bun and Node (20 and newer), and needs no package.
 */

/** Why a message must not be believed. */
export type WebhookReason =
  | "missing_header"
  | "bad_timestamp"
  | "too_old"
  | "too_new"
  | "too_many_signatures"
  | "no_key"
  | "unknown_scheme"
  | "wrong_signature";

/** A message that must not be believed; `reason` is a stable word. */
export class WebhookRefused extends Error {
  readonly reason: WebhookReason;

  constructor(reason: WebhookReason) {
    super(`webhook refused: ${reason}`);
    this.name = "WebhookRefused";
    this.reason = reason;
  }
}

/** Headers as `fetch` gives them, or as Node does. */
export type WebhookHeaders = Headers | Readonly<Record<string, string | readonly string[] | undefined>>;

export interface VerifyOptions {
  /** Seconds since 1970; now where it is left out. */
  readonly now?: number;
  /** Seconds that the two clocks may differ, either way; 300 where it is left out. */
  readonly tolerance?: number;
}

type Bytes = Uint8Array<ArrayBuffer>;

const MOST_SIGNATURES = 10;

/**
 * Answers the message's id, once one signature fits one of the keys.
 *
 * @param headers - of the request, in any case
 * @param body - what came in, before anything parsed it
 * @param keys - `whsec_...` secrets or `whpk_...` public keys that are live; during a rotation two
 * @throws WebhookRefused with the reason; TypeError for a key of no form
 */
export async function verifyWebhook(
  headers: WebhookHeaders,
  body: string | Uint8Array,
  keys: string | readonly string[],
  options: VerifyOptions = {},
): Promise<string> {
  const { id, timestamp, signature } = signedHeaders(headers);
  checkTime(timestamp, options.now ?? Date.now() / 1000, options.tolerance ?? 300);
  const offered = signature.split(" ");
  if (offered.length > MOST_SIGNATURES) throw new WebhookRefused("too_many_signatures");
  const held = typeof keys === "string" ? [keys] : keys;
  if (held.length === 0) throw new WebhookRefused("no_key");
  if (!offered.some((one) => /^v1a?,/.test(one))) throw new WebhookRefused("unknown_scheme");
  const content = contentOf(id, timestamp, body);
  for (const key of held) {
    const verifier = await verifierOf(key);
    for (const one of offered) {
      if (one.startsWith(`${verifier.scheme},`) && (await verifier.fits(one, content))) return id;
    }
  }
  throw new WebhookRefused("wrong_signature");
}

function signedHeaders(headers: WebhookHeaders): { id: string; timestamp: string; signature: string } {
  const entries: Iterable<readonly [string, string | readonly string[] | undefined]> =
    headers instanceof Headers ? headers.entries() : Object.entries(headers);
  const found = new Map<string, string>();
  for (const [name, value] of entries) {
    if (value !== undefined) found.set(name.toLowerCase(), typeof value === "string" ? value : value.join(" "));
  }
  const id = found.get("webhook-id");
  const timestamp = found.get("webhook-timestamp");
  const signature = found.get("webhook-signature");
  if (!id || !timestamp || !signature) throw new WebhookRefused("missing_header");
  return { id, timestamp, signature };
}

function checkTime(timestamp: string, now: number, tolerance: number): void {
  if (!/^[0-9]{1,12}$/.test(timestamp)) throw new WebhookRefused("bad_timestamp");
  const age = now - Number(timestamp);
  if (age > tolerance) throw new WebhookRefused("too_old");
  if (age < -tolerance) throw new WebhookRefused("too_new");
}

function contentOf(id: string, timestamp: string, body: string | Uint8Array): Bytes {
  const encoder = new TextEncoder();
  const head = encoder.encode(`${id}.${timestamp}.`);
  const tail = typeof body === "string" ? encoder.encode(body) : body;
  const content = new Uint8Array(head.length + tail.length);
  content.set(head);
  content.set(tail, head.length);
  return content;
}

interface Verifier {
  readonly scheme: "v1" | "v1a";
  readonly fits: (offered: string, content: Bytes) => Promise<boolean>;
}

/** WebCrypto compares in constant time, so that nobody learns a signature byte by byte. */
async function verifierOf(key: string): Promise<Verifier> {
  const asymmetric = key.startsWith("whpk_");
  if (!asymmetric && !key.startsWith("whsec_")) throw new TypeError("a key begins with whsec_ or whpk_");
  const scheme = asymmetric ? "v1a" : "v1";
  const raw = decoded(key.slice(key.indexOf("_") + 1));
  if (raw === null || (asymmetric ? raw.length !== 32 : raw.length < 24 || raw.length > 64)) {
    throw new TypeError("what follows the key's prefix is not base64 of the right length");
  }
  const algorithm = asymmetric ? { name: "Ed25519" } : { name: "HMAC", hash: "SHA-256" };
  const imported = await crypto.subtle.importKey("raw", raw, algorithm, false, ["verify"]);
  const fits = async (offered: string, content: Bytes): Promise<boolean> => {
    const signature = decoded(offered.slice(scheme.length + 1));
    return signature !== null && crypto.subtle.verify(algorithm.name, imported, signature, content);
  };
  return { scheme, fits };
}

function decoded(text: string): Bytes | null {
  if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) return null;
  return Uint8Array.from(atob(text), (character) => character.charCodeAt(0));
}
