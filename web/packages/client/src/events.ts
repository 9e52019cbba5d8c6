// Made by tools.reference from the events of the platform; do not edit.

/** What `data` of each event holds. New properties may come at any time. */
export interface EventData {
  /** Both sides changed a field, and a person is to decide; other fields go on. */
  "conflict.opened": { readonly conflictId?: string; readonly connectionId?: string; readonly listingId?: string; readonly variant?: string; readonly field?: string; readonly ours?: string | number | boolean | null; readonly theirs?: string | number | boolean | null; };
  /** A conflict was decided: by a person, or by itself, because one side changed and both agree, or a rule decides. */
  "conflict.resolved": { readonly conflictId?: string; readonly winner?: string; readonly value?: string | number | boolean | null; };
  /** A connection has credentials that work; whose account a person has connected of their own is not told. */
  "connection.connected": { readonly provider?: string; readonly accountId?: string; readonly accountName?: string; };
  /** A connection was ended and our copy of its credentials destroyed; `revoked` says how the far side took it. */
  "connection.disconnected": Record<string, never>;
  /** The platform refused the grant for good. */
  "connection.expired": { readonly reason?: string; };
  /** The grant ends at `expiresAt` whatever is done: connect again before. */
  "connection.expiring": Record<string, never>;
  /** Two tests of a connection in a row failed. */
  "connection.failing": { readonly error?: string; readonly integrationId?: string; };
  /** A connection whose tests had failed works again. */
  "connection.recovered": { readonly integrationId?: string; };
  /** The platform never took the end of a grant: end the app's access at the platform by hand. */
  "connection.revocation_failed": Record<string, never>;
  /** The platform, which did not at first, has taken the end of a grant. */
  "connection.revoked": Record<string, never>;
  /** The platform grants more or less than before; `added` and `removed` name what. */
  "connection.scopes_changed": Record<string, never>;
  /** A refresh ended without our knowing how, and the one further try did not tell. */
  "connection.uncertain": { readonly reason?: string; };
  /** A customer's personal data was erased: their time was up, or somebody asked for it. */
  "customer.redacted": { readonly connectionId?: string; readonly provider?: string; readonly externalId?: string; };
  /** An integration was switched on. */
  "integration.activated": Record<string, never>;
  /** A tenant uses a provider from now on; it may still wait for its connection. */
  "integration.created": { readonly provider?: string; readonly name?: string; };
  /** An integration was switched off: nothing goes through it until it is switched on again. */
  "integration.deactivated": Record<string, never>;
  /** An integration was removed with its connections. */
  "integration.deleted": Record<string, never>;
  /** What there is to sell has changed, because a shop sold or took back some of it, or somebody said so. */
  "inventory.changed": { readonly productId?: string; readonly itemId?: string; readonly sku?: string | null; readonly stock?: number | null; };
  /** A listing was seen for the first time. */
  "listing.created": { readonly id?: string; readonly productId?: string; readonly connectionId?: string; readonly provider?: string; readonly externalId?: string; readonly status?: string; };
  /** The platform says that a listing is deleted; what was known of it stays readable. */
  "listing.deleted": { readonly id?: string; readonly productId?: string; readonly connectionId?: string; readonly provider?: string; readonly externalId?: string; readonly status?: string; };
  /** A listing's canonical content changed. */
  "listing.updated": { readonly id?: string; readonly productId?: string; readonly connectionId?: string; readonly provider?: string; readonly externalId?: string; readonly status?: string; };
  /** The marketplace has done it; `items` name the lines of which it has not. */
  "order.action_done": { readonly actionId?: string; readonly orderId?: string; readonly connectionId?: string; readonly provider?: string; readonly externalId?: string; readonly number?: string; readonly action?: string; readonly state?: string; readonly done?: number; readonly failed?: number; readonly items?: ReadonlyArray<{ readonly externalId?: string; readonly result?: string; readonly code?: string; readonly reason?: string; }>; readonly error?: { readonly code?: string; readonly message?: string | null; }; };
  /** It was not done: the marketplace said no, or could not be reached for too long. */
  "order.action_refused": { readonly actionId?: string; readonly orderId?: string; readonly connectionId?: string; readonly provider?: string; readonly externalId?: string; readonly number?: string; readonly action?: string; readonly state?: string; readonly done?: number; readonly failed?: number; readonly items?: ReadonlyArray<{ readonly externalId?: string; readonly result?: string; readonly code?: string; readonly reason?: string; }>; readonly error?: { readonly code?: string; readonly message?: string | null; }; };
  /** Nobody can tell whether it was done; a person has to look, and retries or dismisses it. */
  "order.action_unsure": { readonly actionId?: string; readonly orderId?: string; readonly connectionId?: string; readonly provider?: string; readonly externalId?: string; readonly number?: string; readonly action?: string; readonly state?: string; readonly done?: number; readonly failed?: number; readonly items?: ReadonlyArray<{ readonly externalId?: string; readonly result?: string; readonly code?: string; readonly reason?: string; }>; readonly error?: { readonly code?: string; readonly message?: string | null; }; };
  /** An order was seen for the first time. */
  "order.created": { readonly id?: string; readonly connectionId?: string; readonly provider?: string; readonly externalId?: string; readonly number?: string; readonly status?: string; readonly platformStatus?: string; readonly currency?: string; readonly grandTotal?: string; readonly placedAt?: string; };
  /** An order moved from one state to another. */
  "order.status_changed": { readonly id?: string; readonly connectionId?: string; readonly provider?: string; readonly externalId?: string; readonly number?: string; readonly status?: string; readonly platformStatus?: string; readonly currency?: string; readonly grandTotal?: string; readonly placedAt?: string; readonly previousStatus?: string; };
  /** An order's content changed. */
  "order.updated": { readonly id?: string; readonly connectionId?: string; readonly provider?: string; readonly externalId?: string; readonly number?: string; readonly status?: string; readonly platformStatus?: string; readonly currency?: string; readonly grandTotal?: string; readonly placedAt?: string; };
  /** A person wants to know what a shop keeps of them; the orders that are kept here can be read by their ids. */
  "privacy.data_requested": { readonly provider?: string; readonly connectionId?: string; readonly customer?: string; readonly customerId?: string | null; readonly orderIds?: ReadonlyArray<string>; readonly requestedOrders?: ReadonlyArray<string>; };
  /** A platform wanted a person, or a whole shop, to be forgotten, and that was done. `what` is customer or shop. */
  "privacy.erased": { readonly provider?: string; readonly connectionId?: string; readonly what?: string; readonly customer?: string; readonly orders?: number; };
  /** Listings were made one product. */
  "product.linked": { readonly productId?: string; readonly listings?: ReadonlyArray<string>; };
  /** A listing was made a product of its own again. */
  "product.unlinked": { readonly productId?: string; readonly listingId?: string; };
  /** New variants of linked listings were linked with what they are in the other shops, or on their own. */
  "product.variants_linked": { readonly productId?: string; readonly variants?: ReadonlyArray<{ readonly listingId?: string; readonly variant?: string; readonly itemId?: string; readonly how?: string; }>; };
  /** Every item of a push has ended, each in its own way. */
  "push.finished": { readonly pushId?: string; readonly done?: number; readonly agreed?: number; readonly refused?: number; readonly yielded?: number; readonly superseded?: number; readonly cancelled?: number; };
  /** A record of an entity was seen for the first time. */
  "record.created": { readonly id?: string; readonly connectionId?: string; readonly provider?: string; readonly entity?: string; readonly shardType?: string; readonly externalId?: string; };
  /** The far side no longer has the record; it is gone here too. */
  "record.deleted": { readonly id?: string; readonly connectionId?: string; readonly provider?: string; readonly entity?: string; readonly shardType?: string; readonly externalId?: string; };
  /** A record's mapped content changed. */
  "record.updated": { readonly id?: string; readonly connectionId?: string; readonly provider?: string; readonly entity?: string; readonly shardType?: string; readonly externalId?: string; };
  /** A schedule waits until its connection can be signed in to again; told once. */
  "schedule.parked": Record<string, never>;
  /** A run stopped because it was asked to. */
  "sync.cancelled": { readonly runId?: string; readonly connectionId?: string; readonly provider?: string; readonly entity?: string; readonly mode?: string; readonly state?: string; readonly pages?: number; readonly records?: number; readonly listings?: number; readonly variants?: number; readonly created?: number; readonly updated?: number; readonly unchanged?: number; readonly failed?: number; readonly error?: { readonly code?: string; readonly message?: string | null; }; };
  /** A run read everything it was to read. */
  "sync.completed": { readonly runId?: string; readonly connectionId?: string; readonly provider?: string; readonly entity?: string; readonly mode?: string; readonly state?: string; readonly pages?: number; readonly records?: number; readonly listings?: number; readonly variants?: number; readonly created?: number; readonly updated?: number; readonly unchanged?: number; readonly failed?: number; readonly error?: { readonly code?: string; readonly message?: string | null; }; };
  /** Too many records are missing at once: nothing is deleted before somebody approves. */
  "sync.deletions_wait": { readonly runId?: string; readonly connectionId?: string; readonly provider?: string; readonly entity?: string; readonly mode?: string; readonly state?: string; readonly pages?: number; readonly records?: number; readonly listings?: number; readonly variants?: number; readonly created?: number; readonly updated?: number; readonly unchanged?: number; readonly failed?: number; readonly error?: { readonly code?: string; readonly message?: string | null; }; readonly suspects?: number; };
  /** A full read found, and repaired, what the reads before it should have told of; `drift` counts the records. */
  "sync.drift_found": { readonly runId?: string; readonly connectionId?: string; readonly provider?: string; readonly entity?: string; readonly mode?: string; readonly state?: string; readonly pages?: number; readonly records?: number; readonly listings?: number; readonly variants?: number; readonly created?: number; readonly updated?: number; readonly unchanged?: number; readonly failed?: number; readonly error?: { readonly code?: string; readonly message?: string | null; }; readonly drift?: { readonly created?: number; readonly updated?: number; readonly missing?: number; }; };
  /** A run ended with a failure that waiting does not cure. */
  "sync.failed": { readonly runId?: string; readonly connectionId?: string; readonly provider?: string; readonly entity?: string; readonly mode?: string; readonly state?: string; readonly pages?: number; readonly records?: number; readonly listings?: number; readonly variants?: number; readonly created?: number; readonly updated?: number; readonly unchanged?: number; readonly failed?: number; readonly error?: { readonly code?: string; readonly message?: string | null; }; };
  /** A run was set aside: its sign-in died and it waits for a new one, or it ended its worker again and again. */
  "sync.parked": { readonly runId?: string; readonly connectionId?: string; readonly provider?: string; readonly entity?: string; readonly mode?: string; readonly state?: string; readonly pages?: number; readonly records?: number; readonly listings?: number; readonly variants?: number; readonly created?: number; readonly updated?: number; readonly unchanged?: number; readonly failed?: number; readonly error?: { readonly code?: string; readonly message?: string | null; }; };
  /** A worker took a run for the first time. */
  "sync.started": { readonly runId?: string; readonly connectionId?: string; readonly provider?: string; readonly entity?: string; readonly mode?: string; readonly state?: string; readonly pages?: number; readonly records?: number; readonly listings?: number; readonly variants?: number; readonly created?: number; readonly updated?: number; readonly unchanged?: number; readonly failed?: number; readonly error?: { readonly code?: string; readonly message?: string | null; }; };
  /** It is no longer known how far a connection was read; the run reads everything instead. */
  "sync.watermark_lost": { readonly runId?: string; readonly connectionId?: string; readonly provider?: string; readonly entity?: string; readonly mode?: string; readonly state?: string; readonly pages?: number; readonly records?: number; readonly listings?: number; readonly variants?: number; readonly created?: number; readonly updated?: number; readonly unchanged?: number; readonly failed?: number; readonly error?: { readonly code?: string; readonly message?: string | null; }; };
  /** A handler could not work a delivery off within its schedule. */
  "webhook.dead": { readonly handler?: string; readonly reason?: string | null; };
  /** An endpoint is disabled; what it misses can be recovered once it is active again. */
  "webhook.endpoint_disabled": { readonly url?: string; readonly reason?: string; readonly failures?: number; readonly failingSince?: string | null; };
  /** An endpoint is parked: it gets one delivery at a time, and is disabled if it goes on failing. */
  "webhook.endpoint_failing": { readonly url?: string; readonly reason?: string; readonly failures?: number; readonly failingSince?: string | null; readonly disabledAt?: string; };
  /** An endpoint was paused without its owner's doing; what is for it waits until somebody activates it. */
  "webhook.endpoint_paused": { readonly url?: string; readonly reason?: "maker_left" | "tenant_suspended"; };
  /** An endpoint that was parked answers again. */
  "webhook.endpoint_recovered": { readonly url?: string; };
  /** A message had passed through here so often that it was dropped: two forwarders send to each other. */
  "webhook.loop_stopped": { readonly hops?: number; readonly sourceId?: string; };
  /** A platform pushed something that a handler forwards; `payload` is its body, or what was made of it. */
  "webhook.received": { readonly provider?: string; readonly sourceId?: string; readonly event?: string; readonly topic?: string; readonly object?: string; readonly connectionId?: string | null; readonly shardType?: string | null; readonly hops?: number; readonly simulated?: boolean; readonly replayed?: boolean; readonly payload?: unknown; readonly payloadOmitted?: boolean; readonly receivedAt?: string; readonly occurredAt?: string | null; };
  /** A running process has the function again that nobody had. */
  "webhook_function.back": { readonly name?: string; };
  /** A service registered a function for other events than before; it is called for those of `pattern` alone now. */
  "webhook_function.changed": { readonly name?: string; readonly pattern?: string; readonly previous?: string; readonly contested?: boolean; };
  /** No running process has a function that a service registered: what comes in for it waits. */
  "webhook_function.missed": { readonly name?: string; };
  /** A function is planned for no more, and what waited for it is dropped. */
  "webhook_function.retired": { readonly name?: string; };
}

export type EventType = keyof EventData;

/** The version of each type's schema. */
export const EVENT_VERSIONS: Readonly<Record<EventType, number>> = { "conflict.opened": 1, "conflict.resolved": 1, "connection.connected": 1, "connection.disconnected": 1, "connection.expired": 1, "connection.expiring": 1, "connection.failing": 1, "connection.recovered": 1, "connection.revocation_failed": 1, "connection.revoked": 1, "connection.scopes_changed": 1, "connection.uncertain": 1, "customer.redacted": 1, "integration.activated": 1, "integration.created": 1, "integration.deactivated": 1, "integration.deleted": 1, "inventory.changed": 1, "listing.created": 1, "listing.deleted": 1, "listing.updated": 1, "order.action_done": 1, "order.action_refused": 1, "order.action_unsure": 1, "order.created": 1, "order.status_changed": 1, "order.updated": 1, "privacy.data_requested": 1, "privacy.erased": 1, "product.linked": 1, "product.unlinked": 1, "product.variants_linked": 1, "push.finished": 1, "record.created": 1, "record.deleted": 1, "record.updated": 1, "schedule.parked": 1, "sync.cancelled": 1, "sync.completed": 1, "sync.deletions_wait": 1, "sync.drift_found": 1, "sync.failed": 1, "sync.parked": 1, "sync.started": 1, "sync.watermark_lost": 1, "webhook.dead": 1, "webhook.endpoint_disabled": 1, "webhook.endpoint_failing": 1, "webhook.endpoint_paused": 1, "webhook.endpoint_recovered": 1, "webhook.loop_stopped": 1, "webhook.received": 1, "webhook_function.back": 1, "webhook_function.changed": 1, "webhook_function.missed": 1, "webhook_function.retired": 1 };

/** A message as endpoints, `GET /api/events` and the stream give it. */
export type EventMessage<T extends EventType = EventType> = {
  readonly [K in T]: {
    readonly id: string;
    readonly type: K;
    readonly timestamp: string;
    readonly subject: string;
    readonly data: EventData[K];
  };
}[T];
