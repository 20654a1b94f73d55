import dns from 'node:dns';
import { BlockList, isIP, type LookupFunction } from 'node:net';
import { Agent, buildConnector, setGlobalDispatcher } from 'undici';
import { PlumblineError } from '../base/index.ts';

/**
 * Addresses at which no peer of a hospital is, but the metadata services of clouds, which give their secrets to whoever
 * asks from inside: link-local (RFC 3927, RFC 4291 2.5.6), and those of single clouds. `BlockList` sees IPv4 in IPv6 too.
 */
const forbidden: readonly (readonly [string, number, 'ipv4' | 'ipv6'])[] = [
  ['169.254.0.0', 16, 'ipv4'],
  ['fe80::', 10, 'ipv6'],
  ['fd00:ec2::', 32, 'ipv6'], // AWS
  ['100.100.100.200', 32, 'ipv4'], // Alibaba
  ['168.63.129.16', 32, 'ipv4'], // Azure
  ['64:ff9b::a9fe:0', 112, 'ipv6'], // 169.254/16 through NAT64 (RFC 6052)
  ['224.0.0.0', 4, 'ipv4'], // multicast
  ['ff00::', 8, 'ipv6'],
];

const list = new BlockList();
for (const [net, prefix, family] of forbidden) list.addSubnet(net, prefix, family);
let guarded = true;

/**
 * From now on no `fetch` of this process connects to a forbidden address, however its name resolves (DNS rebinding) and
 * through whatever redirect: checked is what is connected to. Sockets of our own use `outbound`.
 */
export function guardOutbound({ allowLinkLocal }: { readonly allowLinkLocal: boolean }): void {
  guarded = !allowLinkLocal;
  const connect = buildConnector({ lookup });
  setGlobalDispatcher(
    new Agent({
      connect: (options, callback) => {
        const refused = refusalOf(options.hostname.replace(/^\[|\]$/g, ''));
        if (refused) callback(refused, null);
        else connect(options, callback);
      },
    }),
  );
}

/** Options for a socket (`net`, `tls`) to a host. @throws PlumblineError outbound-refused where it is a forbidden address */
export function outbound(host: string): { readonly host: string; readonly lookup: LookupFunction } {
  const refused = refusalOf(host);
  if (refused) throw refused;
  return { host, lookup };
}

/** The refusal inside of what a connection failed with; undefined where that was not the reason. */
export function outboundRefusal(thrown: unknown): PlumblineError | undefined {
  for (let e = thrown; e instanceof Error; e = e.cause)
    if (e instanceof PlumblineError && e.code === 'outbound-refused') return e;
  return undefined;
}

/** A name may have many addresses; one that is forbidden is enough. The socket connects to one of those seen here. */
const lookup: LookupFunction = (hostname, options, callback) => {
  dns.lookup(hostname, options, (error, address: string | dns.LookupAddress[], family?: number) => {
    const found = Array.isArray(address) ? address.map((a) => a.address) : [address];
    const refused = error ? undefined : found.map((a) => refusalOf(a, hostname)).find((r) => r !== undefined);
    callback(error ?? (refused as NodeJS.ErrnoException | undefined) ?? null, address, family);
  });
};

function refusalOf(address: string, name = address): PlumblineError | undefined {
  const family = isIP(address);
  if (!guarded || family === 0 || !list.check(address, family === 4 ? 'ipv4' : 'ipv6')) return undefined;
  return new PlumblineError('outbound-refused', `${name} is a link-local address or a metadata service`, {
    where: name,
  });
}
