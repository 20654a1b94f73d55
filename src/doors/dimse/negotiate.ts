import { BlockList, isIP } from 'node:net';
import { isUid, PlumblineError, type DimseListenerConfig } from '../../base/index.ts';
import { isNotStorable, sopClasses, transferSyntax } from '../../dicom/index.ts';
import type { ContextAnswer, ProposedContext, Rejection } from '../../dimse/index.ts';

const verification = '1.2.840.10008.1.1';
const standardStorage = '1.2.840.10008.5.1.4.1.1.';

/** Why a caller is turned away, or undefined. */
export type Admits = (calling: string, called: string, address: string) => Rejection | undefined;

/**
 * Who may call whom, from where.
 * @throws PlumblineError config-invalid where an address is none
 */
export function createAdmits({ aeTitle, callers }: Pick<DimseListenerConfig, 'aeTitle' | 'callers'>): Admits {
  const own = aeTitle.trim();
  const rules = callers.map((c) => ({ aeTitle: c.aeTitle.trim(), from: addressList(c.addresses) }));
  return (calling, called, address) => {
    if (called !== own) return 'called-aet';
    // It becomes part of the sender's identity, so it has to be a legal AE title (PS3.5 6.2) in any case.
    if (!/^[ -[\]-~]{1,16}$/.test(calling)) return 'calling-aet';
    if (rules.length === 0) return undefined;
    const known = rules.some((r) => (r.aeTitle === '*' || r.aeTitle === calling) && r.from(address));
    return known ? undefined : 'calling-aet';
  };
}

function addressList(addresses: readonly string[]): (address: string) => boolean {
  if (addresses.length === 0) return () => true;
  const list = new BlockList();
  for (const text of addresses) {
    const [net = '', bits] = text.split('/');
    const family = isIP(net) === 6 ? 'ipv6' : 'ipv4';
    const prefix = bits === undefined ? undefined : Number(bits);
    const legal =
      isIP(net) !== 0 && (prefix === undefined || (/^\d+$/.test(bits!) && prefix <= (family === 'ipv6' ? 128 : 32)));
    if (!legal)
      throw new PlumblineError('config-invalid', `"${text}" is neither an IP address nor a network`, {
        where: 'dimse.listeners[].callers[].addresses',
      });
    if (prefix === undefined) list.addAddress(net, family);
    else list.addSubnet(net, prefix, family);
  }
  return (address) => list.check(address, isIP(address) === 6 ? 'ipv6' : 'ipv4');
}

/**
 * Verification, every storage class of the standard, also of a newer edition than ours, and the private ones that are
 * configured. Of the transfer syntaxes the first that we can decode, else the first that we can keep: what the sender
 * proposed first is what it need not convert.
 */
export function answerContext(
  { sopClass, transferSyntaxes }: ProposedContext,
  privateClasses: readonly string[],
): ContextAnswer {
  if (sopClass !== verification && !isStored(sopClass, privateClasses)) return { reject: 'abstract-syntax' };
  const known = transferSyntaxes.filter((uid) => transferSyntax(uid) !== undefined);
  const accept = known.find((uid) => transferSyntax(uid)!.readable) ?? known[0];
  return accept === undefined ? { reject: 'transfer-syntaxes' } : { accept };
}

function isStored(uid: string, privateClasses: readonly string[]): boolean {
  if (!isUid(uid) || isNotStorable(uid)) return false;
  return sopClasses.has(uid) || uid.startsWith(standardStorage) || privateClasses.includes(uid);
}
