// Who may come in over HTTP, and where the program may go: tokens, client certificates, roles, rate limits, outbound addresses.
// It never knows what lies behind a route, and keeps nothing.
// Main types: Guard, Identity, RouteRule.
export { createGuard, type Guard, type GuardOptions, type RouteRule } from './guard.ts';
export { anyone, type Identity, type Permission, type Role } from './identity.ts';
export { swallow } from './refuse.ts';
export { guardOutbound, outbound, outboundRefusal } from './outbound.ts';
