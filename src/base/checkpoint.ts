/**
 * Named places at which a power cut would be most interesting. In a test the process kills itself there
 * (`PLUMBLINE_CRASH_AT=name`, or `name#3` for the third time it comes by); in production this is one comparison.
 */
export const checkpoints = [
  'stow.staged',
  'stow.blobs-durable',
  'stow.admitted',
  'gate.snapshot',
  'work.claimed',
  'work.answered',
  'work.drafted',
  'work.encoded',
  'delivery.claimed',
  'delivery.sent',
  'delivery.recorded',
] as const;
/** Those of the HL7 v2 door, by which a study alone never comes. */
export const hl7Checkpoints = ['hl7.kept', 'hl7.answered'] as const;
export type Checkpoint = (typeof checkpoints)[number] | (typeof hl7Checkpoints)[number];

const [target, nth] = (process.env['PLUMBLINE_CRASH_AT'] ?? '').split('#');
let left = Number(nth ?? 1);

export function checkpoint(name: Checkpoint): void {
  if (name === target && --left <= 0) process.kill(process.pid, 'SIGKILL');
}
