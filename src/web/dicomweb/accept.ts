import type { Request } from 'express';
import { MIMEType } from 'node:util';
import { PlumblineError } from '../../base/index.ts';

/** One media range of an Accept header, as PS3.18 8.7.5 uses them. */
export interface Accepted {
  /** `type/subtype`, of the parts where the range is multipart/related; `*` parts possible. */
  readonly essence: string;
  readonly multipart: boolean;
  /** Undefined: none asked for; `*`: any. */
  readonly transferSyntax: string | undefined;
  readonly q: number;
}

/**
 * What a client takes, best first. The query parameter `accept` of PS3.18 8.3.3.1 stands for the header.
 * A range that cannot be read is passed over, as RFC 9110 leaves to the server.
 */
export function acceptedOf(req: Request): readonly Accepted[] {
  const asked = new URL(req.originalUrl, 'http://localhost').searchParams.get('accept') ?? req.headers.accept ?? '*/*';
  const ranges = splitOutsideQuotes(asked).flatMap((text) => readRange(text));
  return ranges.filter((r) => r.q > 0).sort((x, y) => y.q - x.q);
}

/** Something that can be given: single, or as parts of multipart/related. */
export interface Offer {
  readonly essence: string;
  readonly multipart: boolean;
  /** Stored transfer syntax, where that is a choice. */
  readonly transferSyntax?: string;
}

/**
 * The best offer that the client takes; of equal ranges the first, of equal offers the first.
 * @throws PlumblineError not-acceptable, naming what can be given
 */
export function chooseOffer<T extends Offer>(accepted: readonly Accepted[], offers: readonly T[]): T {
  for (const range of accepted) {
    const found = offers.find((offer) => matches(range, offer));
    if (found) return found;
  }
  throw new PlumblineError('not-acceptable', `can be given: ${[...new Set(offers.map(describe))].join(', ')}`);
}

function matches(range: Accepted, offer: Offer): boolean {
  const any = range.essence === '*/*';
  const [type, sub] = range.essence.split('/');
  const essence = any || range.essence === offer.essence || (sub === '*' && offer.essence.startsWith(`${type}/`));
  const shape = any && !range.multipart ? true : range.multipart === offer.multipart;
  const syntax = [undefined, '*', offer.transferSyntax].includes(range.transferSyntax);
  return essence && shape && syntax;
}

function describe(offer: Offer): string {
  const syntax = offer.transferSyntax ? `; transfer-syntax=${offer.transferSyntax}` : '';
  return offer.multipart ? `multipart/related; type="${offer.essence}"${syntax}` : `${offer.essence}${syntax}`;
}

function readRange(text: string): Accepted[] {
  try {
    const type = new MIMEType(text);
    const multipart = type.essence === 'multipart/related';
    const essence = multipart ? (type.params.get('type') ?? '*/*').toLowerCase() : type.essence;
    const q = Number(type.params.get('q') ?? 1);
    return [
      {
        essence,
        multipart,
        transferSyntax: type.params.get('transfer-syntax') ?? undefined,
        q: Number.isFinite(q) ? q : 0,
      },
    ];
  } catch {
    return []; // no media range: passed over
  }
}

function splitOutsideQuotes(text: string): string[] {
  return text.match(/(?:"(?:\\.|[^"\\])*"|[^,"])+/g) ?? [];
}
