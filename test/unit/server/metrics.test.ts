import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { silentLog } from '../../../src/base/index.ts';
import { demoStudies } from '../../../src/cli/demo/studies.ts';
import { stow } from '../../../src/cli/stow-client.ts';
import { serve, type Gateway } from '../../../src/server/index.ts';
import { siteConfig } from '../../builders/data-folder.ts';
import { tempFolder, until } from '../../builders/program.ts';
import { missing, python, root } from '../../peers/index.ts';

type Samples = Readonly<Record<string, number>>;

/** Samples as another parser reads them, `name{label="value",…}` with sorted labels; it throws where the text is no exposition format. */
async function parse(page: string): Promise<Samples> {
  const script = `
import json, math, sys
from prometheus_client.parser import text_string_to_metric_families
samples = {}
for family in text_string_to_metric_families(json.loads(sys.argv[1])):
    for s in family.samples:
        if not math.isfinite(s.value):
            continue
        labels = ",".join(f'{k}="{v}"' for k, v in sorted(s.labels.items()))
        samples[s.name + ("{" + labels + "}" if labels else "")] = s.value
print(json.dumps(samples))
`;
  const { code, stdout, stderr } = await python(script, [JSON.stringify(page)]);
  expect(stderr).toBe('');
  expect(code).toBe(0);
  return JSON.parse(stdout) as Samples;
}

describe('the metrics of a gateway whose PACS is away', () => {
  const [, us] = demoStudies();
  let gateway: Gateway;
  let page: string;

  beforeAll(async () => {
    const config = siteConfig(tempFolder('metrics'), 'http://127.0.0.1:9/dicom-web');
    gateway = await serve(config, silentLog);
    await stow(gateway.dicomweb, us!.files);
    await stow(gateway.dicomweb, us!.files);
    await stow(gateway.dicomweb, [new TextEncoder().encode('this is no DICOM file')]).catch(() => undefined); // 409
    await until(async () => (gateway.rooms.delivery.lanes()[0]!.state === 'open' ? true : undefined), 'the outage');
    const { counters } = gateway.rooms;
    const { reads } = counters.database;
    page = await gateway.rooms.metrics.print(gateway.rooms);
    // Lanes and gate look by themselves now and then; a scrape may ask no more than this of the store.
    expect(counters.database.reads - reads).toBeLessThanOrEqual(5);
  });
  afterAll(() => gateway?.stop());

  it('come as Prometheus asks for them', async () => {
    const response = await fetch(`${gateway.url}/metrics`);
    expect(response.status).toBe(200);
    expect(response.headers.get('content-type')).toMatch(/^text\/plain; version=0\.0\.4/);
    expect(await response.text()).toContain('# TYPE plumbline_workitems gauge');
  });

  describe.skipIf(missing('python'))('as another program reads them', () => {
    let samples: Samples;
    beforeAll(async () => {
      samples = await parse(page);
    });

    it('count what arrived and what was refused, by door', () => {
      expect(samples).toMatchObject({
        'plumbline_arrivals_total{door="stow",outcome="stored"}': us!.files.length,
        'plumbline_arrivals_total{door="stow",outcome="duplicate"}': us!.files.length,
        'plumbline_arrived_bytes_total{door="stow"}': us!.files.reduce((sum, f) => sum + f.length, 0),
        'plumbline_refusals_total{code="not-dicom",door="stow"}': 1,
        'plumbline_http_requests_total{service="dicom-web",status="2xx"}': 2,
        'plumbline_http_requests_total{service="dicom-web",status="4xx"}': 1,
      });
    });

    it('time stages, pictures and tries', () => {
      for (const stage of ['answer', 'draft', 'encode'])
        expect(samples[`plumbline_stage_seconds_count{outcome="done",stage="${stage}"}`], stage).toBe(1);
      expect(samples['plumbline_picture_seconds_count{bundle="plumbline-tiny"}']).toBe(1);
      const tries = samples['plumbline_delivery_seconds_count{destination="pacs",outcome="retry"}'];
      expect(tries).toBeGreaterThanOrEqual(3);
    });

    it('show what waits, since when, and which destination rests', () => {
      expect(samples).toMatchObject({
        'plumbline_studies{state="arriving"}': 0,
        'plumbline_workitems{state="drafted"}': 1,
        'plumbline_workitems{state="ready"}': 0,
        'plumbline_lane_open{destination="pacs"}': 1,
        'plumbline_model_up{bundle="plumbline-tiny"}': 1,
      });
      const waiting = (state: string) => samples[`plumbline_deliveries{destination="pacs",state="${state}"}`] ?? 0;
      expect(waiting('waiting') + waiting('sending')).toBe(1);
      expect(samples['plumbline_workitems_oldest_seconds{state="drafted"}']).toBeGreaterThan(0);
    });

    it('show the process, its disk and its store', () => {
      expect(samples['process_resident_memory_bytes']).toBeGreaterThan(1e7);
      expect(samples['nodejs_eventloop_lag_p99_seconds']).toBeGreaterThanOrEqual(0);
      expect(samples['plumbline_disk_free_bytes']).toBeGreaterThan(0);
      expect(samples['plumbline_disk_reserve_bytes']).toBe(gateway.rooms.config.store.reserveBytes);
      expect(samples['plumbline_store_operations_total{what="fileSyncs"}']).toBeGreaterThan(0);
      expect(Object.keys(samples).some((s) => s.startsWith('plumbline_build_info{'))).toBe(true);
    });
  });

  it('hold nothing of a patient and no UID', () => {
    expect(page).not.toMatch(/DEMO|PLUMBLINE-DEMO|Ultrasound|BREAST/);
    expect(page).not.toMatch(/\d+\.\d+\.\d+\.\d+\.\d+|2\.25\./);
    expect(page).not.toContain(us!.studyUid);
  });

  it('stand in docs/metrics.md, each with its labels, and no other does', () => {
    const text = readFileSync(join(root, 'docs/metrics.md'), 'utf8');
    const documented = [...text.matchAll(/^\| `(plumbline_\w+)` \| (\w+) \| (.*?) \|/gm)].map((m) =>
      m.slice(1, 3).join(' '),
    );
    const printed = [...page.matchAll(/^# TYPE (plumbline_\w+) (\w+)$/gm)].map((m) => m.slice(1, 3).join(' '));
    expect(documented.toSorted()).toEqual(printed.toSorted());
    const labels = new Map([...text.matchAll(/^\| `(plumbline_\w+)` \| \w+ \| (.*?) \|/gm)].map((m) => [m[1]!, m[2]!]));
    for (const [, name, given] of page.matchAll(/^(plumbline_\w+?)(?:_bucket|_sum|_count)?\{(.*)\}/gm))
      for (const [, label] of given!.matchAll(/(\w+)="/g))
        if (label !== 'le') expect(labels.get(name!), `${name} ${label}`).toContain(`\`${label}\``);
  });
});
