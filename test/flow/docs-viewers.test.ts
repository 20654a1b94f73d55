import { readFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { runPage } from '../builders/docs-runner.ts';
import { tempFolder, until } from '../builders/program.ts';
import { startBrowser, type Browser } from '../peers/browser.ts';
import { missing, peers, root } from '../peers/index.ts';
import { startOhif } from '../peers/ohif.ts';

const page = (name: string): string => readFileSync(join(root, 'docs', name), 'utf8');

describe.skipIf(missing('ohif', 'chromium'))('the commands of docs/peers/ohif.md', () => {
  it('print what the page says, and OHIF shows the segment by its name over the CT', async () => {
    const folder = tempFolder('ohif');
    const ohif = await startOhif(join(folder, 'app-config.js'));
    const browser = await startBrowser();
    try {
      await runPage(page('peers/ohif.md'), { folder, ports: { 3000: ohif.port } }, ({ port }) =>
        lookAt(browser, ohif.port, `http://127.0.0.1:${port(8470)}/dicom-web`),
      );
    } finally {
      await browser.stop();
      await ohif.stop();
    }
  }, 180_000);
});

describe.skipIf(missing('dcmdump'))('the commands of docs/peers/weasis.md', () => {
  it('print what the page says, and the report page has the link', async () => {
    await runPage(page('peers/weasis.md'), {}, async ({ port }) => {
      const gateway = `http://127.0.0.1:${port(8470)}`;
      const [study] = (await (await fetch(`${gateway}/dicom-web/studies`)).json()) as Record<
        string,
        { Value: string[] }
      >[];
      const uid = study!['0020000D']!.Value[0]!;
      const { drafts } = (await (await fetch(`${gateway}/api/studies/${uid}`)).json()) as { drafts: { key: string }[] };
      const report = await (await fetch(`${gateway}/drafts/${drafts[0]!.key}/report.html`)).text();
      const links = [...report.matchAll(/href="(weasis:[^"]*)"/g)].map((m) =>
        decodeURIComponent(m[1]!.replaceAll('+', ' ')),
      );
      expect(new Set(links)).toEqual(new Set([`weasis://$dicom:rs --url "${gateway}/dicom-web" -r "studyUID=${uid}"`]));
    });
  }, 120_000);
});

describe.skipIf(missing('segimage2itkimage', 'tid1500reader'))('the commands of docs/peers/3d-slicer.md', () => {
  it('print what the page says, with dcmqi, which Slicer reads with', async () => {
    const PATH = `${dirname(peers.segimage2itkimage!)}:${process.env['PATH']}`;
    await runPage(page('peers/3d-slicer.md'), { env: { PATH } });
  }, 120_000);
});

/** Text that is seen; nothing while a page is changing. */
const visible = "document.body?.innerText ?? ''";

async function lookAt(browser: Browser, port: number, dicomweb: string): Promise<void> {
  const [study] = (await (await fetch(`${dicomweb}/studies`)).json()) as Record<string, { Value: string[] }>[];
  const shows = (words: RegExp): Promise<true> =>
    until(async () => {
      const text = await browser.evaluate<string>(visible);
      return words.test(text) ? true : undefined;
    }, `OHIF to show ${words}`); // prettier-ignore
  await browser.goTo(`http://127.0.0.1:${port}/`);
  await shows(/DEMO, ABDOMEN[\s\S]*CT Abdomen/);
  await browser.goTo(`http://127.0.0.1:${port}/segmentation?StudyInstanceUIDs=${study!['0020000D']!.Value[0]}`);
  await shows(/\bI:\d+ \(\d+\/12\)/); // the images are up
  await browser.evaluate(`[...document.querySelectorAll('[data-cy^=study-browser-thumbnail]')]
    .find((e) => /^SEG/.test(e.innerText))
    .dispatchEvent(new MouseEvent('dblclick', { bubbles: true, detail: 2 }))`);
  await shows(/liver lesion/);
  expect(await browser.evaluate<string>(visible)).toContain('Do you want to open this Segmentation?');
}
