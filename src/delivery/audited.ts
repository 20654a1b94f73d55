import type { AuditEvent, AuditLog } from '../audit/index.ts';
import { asPlumblineError, type Log } from '../base/index.ts';
import type { DeliverContent, Destination } from './types.ts';

/**
 * A destination that tells the audit of each try, also of one that failed: the peer may have got it. What was told is on
 * disk before the delivery counts as done.
 */
export function auditedDestination(destination: Destination, audit: AuditLog, log: Log): Destination {
  const tell = async (content: DeliverContent, change: Partial<AuditEvent>): Promise<void> => {
    audit.note({ ...eventOf(destination, content), ...change });
    // What cannot be written now waits and is written later; to send again for that would be worse.
    await audit.flush().catch((e: unknown) => log.warn('audit events wait', { code: asPlumblineError(e).code }));
  };
  return {
    ...destination,
    deliver: async (content, signal) => {
      try {
        const notices = await destination.deliver(content, signal);
        await tell(content, notices?.some((n) => n.code === 'peer-had-it') ? { action: 'R' } : {});
        return notices;
      } catch (thrown) {
        const { class: what, code } = asPlumblineError(thrown);
        // A minor failure is tried again, a serious one is not (RFC 3881 5.1.4).
        await tell(content, { outcome: what === 'retry' ? 4 : 8, detail: code });
        throw thrown;
      }
    },
  };
}

/** DICOM objects are a transfer (PS3.15 A.5.3.7), everything else an export (A.5.3.4). */
function eventOf({ name, kind }: Destination, content: DeliverContent): AuditEvent {
  const dicom = kind === 'dicomweb' || kind === 'dimse';
  return {
    ...(dicom ? { kind: 'transferred', action: 'C', count: content.objects.length } : { kind: 'export', action: 'R' }),
    outcome: 0,
    door: 'delivery',
    who: name,
    from: name,
    study: content.studyUid,
    patient: { id: content.patientId, issuer: content.issuer },
  };
}
