import type { AuditEvent } from '../audit/index.ts';
import type { OrderAct, OrderMessage, OrderOutcome } from './order-types.ts';
import { identityOf } from './rows.ts';
import type { Admission, Admitted, Origin } from './types.ts';

interface From {
  readonly origin: Origin;
  readonly door: string;
  readonly sender: string;
  readonly who?: string;
}

/**
 * What a batch of instances tells of: one event a study for what was taken (create, or read where all of it was here
 * already: PS3.15 A.5.3.7), and one for what was refused because other data is stored.
 */
export function eventsOfBatch(batch: readonly Admission[], admitted: readonly Admitted[], from: From): AuditEvent[] {
  const byStudy = Map.groupBy(batch.keys(), (i) => batch[i]!.ref.studyUid);
  return [...byStudy].flatMap(([study, places]) => {
    const { patientId: id, issuer } = identityOf(batch[places[0]!]!.attributes);
    const count = (outcome: Admitted['outcome']): number =>
      places.filter((i) => admitted[i]!.outcome === outcome).length;
    const [stored, conflicts] = [count('stored'), count('conflict')];
    const taken = places.length - conflicts;
    const about = {
      kind: from.origin === 'own' ? ('accessed' as const) : ('transferred' as const),
      door: from.door,
      who: from.origin === 'own' ? 'Plumbline' : (from.who ?? from.sender),
      from: from.sender,
      study,
      patient: { id, issuer },
    };
    const action = stored > 0 ? ('C' as const) : ('R' as const);
    return [
      ...(taken > 0 ? [{ ...about, action, outcome: 0 as const, count: taken }] : []),
      ...(conflicts > 0
        ? [{ ...about, action: 'U' as const, outcome: 4 as const, count: conflicts, detail: 'instance-conflict' }]
        : []),
    ];
  });
}

/** What a message of an order system did: one event for each of its acts, or one where it was refused. */
export function eventsOfMessage(message: OrderMessage, outcome: OrderOutcome): AuditEvent[] {
  const about = { door: 'hl7', who: message.sender, from: '' };
  if (message.acts.length === 0 || outcome !== 'accepted') {
    const failed = outcome === 'accepted' ? ({ outcome: 0 } as const) : ({ outcome: 4 } as const);
    return [{ kind: 'order', action: 'E', ...about, ...failed, detail: `${message.type} ${outcome}` }];
  }
  return message.acts.map((act) => ({ ...eventOfAct(act), ...about, outcome: 0, detail: message.type }));
}

const orderActions: Partial<Record<string, AuditEvent['action']>> = { new: 'C', cancel: 'D', note: 'R' };

function eventOfAct(act: OrderAct): Pick<AuditEvent, 'kind' | 'action' | 'study' | 'patient'> {
  if (act.kind === 'report') return { kind: 'procedure', action: 'R', ...studyOf(act.studyUid) };
  const { id, issuer } = act.kind === 'order' ? act.order.patient : act.patient;
  const patient = { id, issuer };
  if (act.kind !== 'order') return { kind: 'patient', action: 'U', patient };
  return { kind: 'order', action: orderActions[act.control] ?? 'U', patient, ...studyOf(act.order.studyUid) };
}

function studyOf(study: string): { readonly study?: string } {
  return study === '' ? {} : { study };
}
