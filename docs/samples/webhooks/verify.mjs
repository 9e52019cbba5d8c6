// Verify a webhook with Node alone: copy this file. `body` is the Buffer that came in, before anything parsed it.
import { createHmac, timingSafeEqual } from "node:crypto";

const TOLERANCE = 300;

export class WebhookRefused extends Error {
  constructor(reason) {
    super(reason);
    this.reason = reason;
  }
}

/** The message's id. Throws WebhookRefused with a reason. `now` is in seconds. */
export function verify(headers, body, secrets, now = Date.now() / 1000) {
  const found = Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value]));
  const [id, timestamp, offered] = ["id", "timestamp", "signature"].map((name) => found[`webhook-${name}`]);
  if (!id || !timestamp || !offered) throw new WebhookRefused("missing_header");
  if (!/^[0-9]{1,12}$/.test(timestamp)) throw new WebhookRefused("bad_timestamp");
  if (now - Number(timestamp) > TOLERANCE) throw new WebhookRefused("too_old");
  if (Number(timestamp) - now > TOLERANCE) throw new WebhookRefused("too_new");
  const signatures = offered.split(" ");
  if (signatures.length > 10) throw new WebhookRefused("too_many_signatures");
  if (secrets.length === 0) throw new WebhookRefused("no_key");
  if (!signatures.some((one) => one.startsWith("v1,"))) throw new WebhookRefused("unknown_scheme");
  const content = Buffer.concat([Buffer.from(`${id}.${timestamp}.`), body]);
  for (const secret of secrets) {
    const key = Buffer.from(secret.replace(/^whsec_/, ""), "base64");
    const expected = Buffer.from("v1," + createHmac("sha256", key).update(content).digest("base64"));
    for (const one of signatures) {
      const given = Buffer.from(one);
      if (given.length === expected.length && timingSafeEqual(given, expected)) return id;
    }
  }
  throw new WebhookRefused("wrong_signature");
}
