import { PlumblineError, type Notice } from '../base/index.ts';
import { splitPart10 } from '../dicom/index.ts';
import { openAssociation, type DimsePeer, type OutgoingAssociation, type StoreStatus } from '../dimse/index.ts';
import { compareStored } from './dicomweb.ts';
import { identifying, quote, type Peer } from './http.ts';
import type { DeliverContent, DeliverObject, Destination } from './types.ts';

/**
 * C-STORE to a PACS (PS3.4 annex B): all objects of a workitem over one association, SEGs before the SR that names
 * them, each with the transfer syntax and the bytes that it has. Sending again is harmless, because UIDs are derived
 * from the work. DIMSE cannot read an object back without being called in return: what the peer answers is all that is
 * known, a duplicate (0111H) included, unless the same PACS speaks DICOMweb. Then every object is fetched and compared.
 * @param web the DICOMweb service of the same PACS
 */
export function dimseDestination(peer: DimsePeer, web?: Peer): Destination {
  return {
    name: peer.name,
    kind: 'dimse',
    deliver: async (content, signal) => {
      const contexts = await contextsOf(content);
      if (contexts.length === 0) return [];
      const association = await openAssociation(peer, contexts, signal);
      try {
        for (const context of contexts) needContext(peer, association, context);
        const notices: Notice[] = [];
        for (const object of content.objects) notices.push(...(await store(peer, association, object)));
        await association.release();
        return web ? await readBack(web, content, notices, signal) : notices;
      } catch (e) {
        association.abort();
        throw e;
      }
    },
    check: async (signal) => {
      const association = await openAssociation(peer, [], signal);
      const status = await association.echo();
      await association.release();
      if (status === 0) return `answers C-ECHO as ${peer.calledAet}`;
      throw new PlumblineError('peer-busy', `${peer.name} answers C-ECHO with ${hex(status)}`, { where: peer.name });
    },
  };
}

/**
 * Compare what the PACS holds with what was sent. A duplicate that is the same object is plain success.
 * @throws PlumblineError uid-conflict where a duplicate is another object; read-back-differs
 */
async function readBack(
  web: Peer,
  content: DeliverContent,
  notices: readonly Notice[],
  signal: AbortSignal,
): Promise<readonly Notice[]> {
  const discreet = { ...web, hide: identifying(content.patientId) };
  const about = (code: string): Set<string> =>
    new Set(notices.filter((n) => n.code === code).flatMap((n) => n.about ?? []));
  const [duplicates, coerced] = [about('peer-had-it'), about('peer-coerced').union(about('peer-discarded'))];
  for (const object of content.objects) {
    // What the PACS said that it changed will differ, and a person is told of it.
    if (coerced.has(object.instanceUid)) continue;
    const code = duplicates.has(object.instanceUid) ? 'uid-conflict' : 'read-back-differs';
    await compareStored(discreet, content.studyUid, object, signal, code);
  }
  return notices.filter((n) => n.code !== 'peer-had-it');
}

interface Context {
  readonly object: DeliverObject;
  readonly sopClass: string;
  readonly transferSyntax: string;
}

/** Read one after the other and let go: a workitem may hold many large segmentations. */
async function contextsOf({ objects }: DeliverContent): Promise<Context[]> {
  const contexts: Context[] = [];
  for (const object of objects) {
    const { transferSyntax } = splitPart10(await object.bytes());
    contexts.push({ object, sopClass: object.sopClass, transferSyntax });
  }
  return contexts;
}

/** Before anything is sent: half a result is no use, and another try would end alike. */
function needContext(peer: DimsePeer, association: OutgoingAssociation, context: Context): void {
  const { object, sopClass, transferSyntax } = context;
  if (association.accepts(sopClass, transferSyntax)) return;
  throw new PlumblineError(
    'peer-refused',
    `${peer.name} takes no ${object.role.toUpperCase()} (SOP class ${sopClass}, transfer syntax ${transferSyntax}): no presentation context was accepted`,
    {
      where: peer.name,
      remedy:
        'Allow the SOP class at the destination. For an SR, encoding.srClass: comprehensive is what older archives take.',
    },
  );
}

async function store(peer: DimsePeer, association: OutgoingAssociation, object: DeliverObject): Promise<Notice[]> {
  const { transferSyntax, dataset } = splitPart10(await object.bytes());
  const { sopClass, instanceUid } = object;
  const answer = await association.store({ sopClass, instanceUid, transferSyntax, dataset });
  // Answers other than 0000 after which the object is at the peer (PS3.4 B.2.3; 0111 of PS3.7 C.5.8). Our UIDs stand for
  // one content each, so what the peer holds under one of them is what an earlier try has sent.
  switch (answer.status) {
    case 0x0000:
      return [];
    case 0x0111:
      return [taken('peer-had-it', peer, object, answer)];
    case 0xb000:
      return [taken('peer-coerced', peer, object, answer)];
    case 0xb006:
      return [taken('peer-discarded', peer, object, answer)];
    case 0xb007:
      return [taken('peer-class-differs', peer, object, answer)];
    default:
      throw refusal(peer, object, answer);
  }
}

function taken(code: string, peer: DimsePeer, object: DeliverObject, answer: StoreStatus): Notice {
  const what = `${object.role.toUpperCase()} ${object.instanceUid}`;
  const message = `${peer.name} took ${what} with status ${hex(answer.status)}${words(answer)}`;
  return { code, message, about: [object.instanceUid] };
}

/**
 * A7xx out of resources, 0110 processing failure, 0210 duplicate invocation, 0213 resource limitation may pass; 0124 not
 * authorized waits for a person; A9xx, Cxxx, 0122 and the rest never pass (PS3.4 B.2.3, PS3.7 annex C).
 */
function refusal(peer: DimsePeer, object: DeliverObject, answer: StoreStatus): PlumblineError {
  const { status } = answer;
  const passing = (status & 0xff00) === 0xa700 || [0x0110, 0x0210, 0x0213].includes(status);
  const code = passing ? 'peer-busy' : status === 0x0124 ? 'peer-unauthorized' : 'peer-refused';
  return new PlumblineError(
    code,
    `${peer.name} did not store ${object.role.toUpperCase()} ${object.instanceUid}: status ${hex(status)}${words(answer)}`,
    { where: peer.name },
  );
}

function words({ comment }: StoreStatus): string {
  return comment ? `: ${quote({}, comment)}` : '';
}

function hex(status: number): string {
  return `${status.toString(16).toUpperCase().padStart(4, '0')}H`;
}
