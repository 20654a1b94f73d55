import { seeded } from '../../builders/dicom.ts';
import { startScp } from '../scp.ts';
import { startMedplum } from '../../peers/fhir-server.ts';
import { untilRest } from '../audit.ts';
import { sendAll } from '../load.ts';
import { prove } from '../proof.ts';
import { startProxy, type Proxy, type Trick } from '../proxy.ts';
import { reportsOf, startReceivers } from '../receivers.ts';
import { newTally } from '../senders.ts';
import { makeSite } from '../site.ts';
import { makeStudy, type SentStudy } from '../studies.ts';
import type { Report, Row, Scenario } from '../types.ts';

const everyPeer: readonly Trick[] = ['cut-request', 'cut-answer', 'delay', 'garbage', 'half-close'];
const http: readonly Trick[] = [...everyPeer, 'http-500', 'http-429'];

/** Proxies between the gateway and each of its destinations that cut, delay, repeat, refuse and talk nonsense. */
export const peers: Scenario = async ({ short, seed }): Promise<Report> => {
  const random = seeded(seed);
  const times = short ? 1 : 6;
  const [receivers, ehr, scp] = await Promise.all([startReceivers(), startMedplum(), startScp()]);
  const targets: readonly [name: string, port: number, tricks: readonly Trick[]][] = [
    ['pacs', Number(new URL(receivers.pacs.url).port), http],
    ['ris', receivers.ris.port, [...everyPeer, 'duplicate']],
    ['ehr', Number(new URL(ehr.url).port), http],
    ['archive', scp.port, everyPeer],
  ];
  const proxies = await Promise.all(targets.map(([, port, t]) => startProxy(port, shuffled(t, times, random))));
  const [pacs, ris, fhir, archive] = proxies.map((p) => p.port);
  const site = await makeSite({
    destinations: [
      { name: 'pacs', kind: 'dicomweb', url: `http://127.0.0.1:${pacs}/dicom-web`, timeoutSeconds: 2 },
      { name: 'ris', kind: 'hl7', url: `mllp://127.0.0.1:${ris}`, timeoutSeconds: 2 },
      { name: 'ehr', kind: 'fhir', url: `http://127.0.0.1:${fhir}/fhir`, timeoutSeconds: 4, patientSystem: 'urn:soak' },
      { name: 'archive', kind: 'dimse', host: '127.0.0.1', port: archive, calledAet: 'ARCHIVE', timeoutSeconds: 2 },
    ],
  });
  const studies = Array.from({ length: short ? 2 : 12 }, (_, i) => makeStudy(i));
  const [images, orders] = [newTally(), newTally()];
  try {
    for (const { patientId } of studies)
      await ehr.create({ resourceType: 'Patient', identifier: [{ system: 'urn:soak', value: patientId }] });
    await site.start();
    await sendAll(site, studies, { images, orders, random, cutRate: 0, pace: 100 });
    await untilRest(site.dataDir, studies.length, 'everything to be delivered although peers misbehave', 300);
    await site.stop();
    const { kept, breaches } = prove(site, { studies, images, orders }, receivers);
    const found = { pacs: receivers.pacs.stored.size, reports: reportsOf(receivers.ris).reports.size, fhir: (await ehr.all('DiagnosticReport')).length, archive: scp.stored.size }; // prettier-ignore
    const want = {
      pacs: 2 * studies.length,
      reports: studies.length,
      fhir: studies.length,
      archive: 2 * studies.length,
    };
    for (const [where, n] of Object.entries(want))
      if (found[where as keyof typeof want] !== n) breaches.push(`${where} has ${found[where as keyof typeof want]}, not ${n}`); // prettier-ignore
    const left = [
      `STOW-RS peer: ${found.pacs} objects (${receivers.pacs.requests.filter((r) => r === 'stow').length} requests came through)`,
      `RIS: ${found.reports} reports (${receivers.ris.messages.length} messages)`,
      `FHIR server: ${found.fhir} reports`,
      `C-STORE peer: ${found.archive} objects (sent ${scp.received()} times)`,
    ];
    return { name: 'peers', breaches, rows: rowsOf(targets, proxies, studies, left, kept.deliveries) };
  } finally {
    await site.kill();
    await Promise.all([...proxies.map((p) => p.stop()), receivers.stop(), ehr.stop(), scp.stop()]);
    site.remove();
  }
};

function rowsOf(
  targets: readonly (readonly [string, number, readonly Trick[]])[],
  proxies: readonly Proxy[],
  studies: readonly SentStudy[],
  left: readonly string[],
  deliveries: Readonly<Record<string, number>>,
): Row[] {
  return targets.map(([name], i) => ({
    fault: `between gateway and destination ${name}: ${[...proxies[i]!.counts].map(([t, n]) => `${n} × ${t}`).join(', ')}`,
    asked: 'each is tried again with a pause (of at least Retry-After), one result each in the end',
    answered: `${studies.length} studies; deliveries in the end: ${Object.entries(deliveries).map(([s, n]) => `${n} ${s}`).join(', ')}`, // prettier-ignore
    left: left[i]!,
  }));
}

function shuffled(tricks: readonly Trick[], times: number, random: () => number): Trick[] {
  const all = Array.from({ length: times }, () => tricks).flat();
  return all.map((trick) => ({ trick, at: random() })).sort((a, b) => a.at - b.at).map((x) => x.trick); // prettier-ignore
}
