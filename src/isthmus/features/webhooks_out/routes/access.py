"""Who may see and change webhooks."""

from isthmus.kit.permissions import SUPER_ADMIN, TENANT_ADMIN, permission

READ = permission("webhooks:read", "See webhook endpoints, deliveries and event types", SUPER_ADMIN, TENANT_ADMIN)
MANAGE = permission("webhooks:manage", "Make, change and test webhook endpoints", SUPER_ADMIN, TENANT_ADMIN)
PUBLISH = permission("events:publish", "Publish events of registered types", SUPER_ADMIN, TENANT_ADMIN)
EVENTS = permission("events:read", "Read and follow the event log", SUPER_ADMIN, TENANT_ADMIN)
