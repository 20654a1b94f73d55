import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { decode } from 'fast-png';
import { describe, expect, it } from 'vitest';
import { derivedUid, emptyBits, setBit, sha256, type Picture } from '../../../src/base/index.ts';
import {
  encodePreview,
  encodePreviewInTurns,
  encodeSeg,
  encodeSr,
  type EncodingInput,
  type KeyPictures,
} from '../../../src/outputs/index.ts';
import { encodeAll, sampleInput, samplePictures, type InputOptions } from '../../builders/encodings.ts';
import { missing, peers, python, runPeer } from '../../peers/index.ts';

const page = (options: InputOptions = {}) => encodeAll(sampleInput(options)).html;
/** A sample whose every sentence says this. */
const saying = (text: string): InputOptions => ({
  change: (s) => ({
    ...s,
    draft: { ...s.draft, sentences: s.draft.sentences.map((x) => ({ ...x, text, spans: [] })) },
  }),
});

/** A draft of `count` round masks on one plane of 512 x 512, and a picture of pure noise: the worst that a PNG can meet. */
function noisy(count: number, colour: boolean): { input: EncodingInput; pictures: KeyPictures } {
  const base = sampleInput({ rows: 512, columns: 512, planes: 4 });
  const model = base.draft.findings[0]!;
  const range = Array.from({ length: count }, (_, k) => k + 1);
  const bits = range.map((k) => {
    const out = emptyBits(512 * 512);
    const [cx, cy, radius] = [100 + ((k * 37) % 300), 100 + ((k * 61) % 300), 5 + ((k * 13) % 90)];
    for (let y = 0; y < 512; y++)
      for (let x = 0; x < 512; x++) if (Math.hypot(x - cx, y - cy) < radius) setBit(out, y * 512 + x);
    return out;
  });
  let seed = 7;
  const random = () => (seed = (seed * 1103515245 + 12345) % 2 ** 31) >> 16;
  const rgb = new Uint8Array(512 * 512 * 3);
  for (let i = 0; i < rgb.length; i += 3) {
    const v = random() & 255;
    rgb.set(colour ? [v, random() & 255, random() & 255] : [v, v, v], i);
  }
  const picture: Picture = { ...samplePictures(base).get('k1/1')!, rgb };
  const draft = {
    ...base.draft,
    sentences: range.map((k) => ({ ...base.draft.sentences[1]!, id: `s${k}`, findings: [`f${k}`], spans: [] })),
    findings: range.map((k) => ({
      ...model,
      id: `f${k}`,
      sentence: `s${k}`,
      mask: `m${k}`,
      trackingUid: derivedUid('noisy', k),
    })),
    masks: range.map((k) => ({
      ...base.draft.masks[0]!,
      id: `m${k}`,
      finding: `f${k}`,
      segment: k,
      planes: [1],
      keyPlane: 1,
      digest: sha256(bits[k - 1]!),
    })),
  };
  return {
    input: { ...base, draft, masks: new Map(range.map((k) => [`m${k}`, [{ plane: 1, bits: bits[k - 1]! }]])) },
    pictures: new Map([['k1/1', picture]]),
  };
}
function noisyPage(count: number, colour: boolean): string {
  const { input, pictures } = noisy(count, colour);
  const segs = encodeSeg({ ...input, draft: { ...input.draft, masks: [] } });
  return encodePreview(input, segs, encodeSr({ ...sampleInput({ masks: 'none' }) }, []), pictures);
}

describe('the report page', () => {
  it('begins with the marking, before patient and findings', () => {
    const html = page();
    const body = html.slice(html.indexOf('<body>'));
    expect(body.indexOf('AI draft 1: not verified by a physician')).toBeGreaterThan(0);
    expect(body.indexOf('AI draft 1')).toBeLessThan(body.indexOf('Sample, Anna'));
    expect(body.indexOf('Sample, Anna')).toBeLessThan(body.indexOf('small liver lesion'));
  });

  it('forbids all but its own style and data pictures, and has no script, form or load from elsewhere', () => {
    const html = page();
    expect(html).toContain(
      `<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">`,
    );
    expect(html).not.toMatch(/<(script|form|iframe|object|embed|link|base|video|audio|svg)\b|@import|url\(|\son\w+=/i);
    for (const [, src] of html.matchAll(/src="([^"]*)"/g)) expect(src).toMatch(/^data:image\/png;base64,/);
  });

  it('is the same text each time', () => {
    expect(page()).toBe(page());
  });

  it('is the same text where it gives other work its turn, one turn for each sentence', async () => {
    const input = sampleInput();
    const { segs, sr, html } = encodeAll(input);
    let turns = 0;
    let done = false;
    const count = () => {
      turns++;
      if (!done) setImmediate(count);
    };
    setImmediate(count);
    const inTurns = await encodePreviewInTurns(input, segs, sr, samplePictures(input));
    done = true;
    expect(inTurns).toBe(html);
    expect(turns).toBeGreaterThanOrEqual(input.draft.sentences.length);
  });

  it('says every representation of the name, the issuer, and the months as words', () => {
    const html = page({ patientName: 'Yamada^Tarou=山田^太郎=やまだ^たろう' });
    expect(html).toContain('Yamada, Tarou · 山田, 太郎 · やまだ, たろう');
    expect(html).toContain('PID-77 (HOSPITAL)');
    expect(html).toContain('2 Jan 1970, F');
    expect(html).toContain('4 Mar 2026, 05:06:07 UTC');
  });

  it('keeps the name of the patient out of its title', () => {
    expect(/<title>(.*)<\/title>/.exec(page())![1]).toBe('AI draft 1, not verified by a physician');
  });

  it('says what was read and what was not', () => {
    const html = page();
    expect(html).toContain('series 3, 6 of 6 images');
    expect(html).toContain('1 image: A localizer (Image Type value 3)');
  });

  it('gives each kind of sentence its shape and its words', () => {
    const html = page();
    const row = (id: string) => html.split(`id="${id}">`)[1]!.split('</li>')[0]!;
    expect(row('s1')).toContain('No image evidence given by the model.');
    expect(row('s1')).toContain('no mask: none given');
    expect(row('s2')).toMatch(/<span class="badge" style="color:#1f6fb5">A<\/span>/);
    expect(row('s5')).toContain('Negative finding: no mask expected.');
    expect(row('s5')).toContain('>–</span>');
    expect(row('s6')).toContain(
      'Grounding failed: The model gave no mask for this phrase. The image does not support this sentence by a mask.',
    );
    expect(row('s6')).toContain('no mask: failed');
  });

  it('shows measurements in 3 digits, the image, the side, a warning in words, and links to mask and viewer', () => {
    const html = page();
    // 3 x 5 pixels of 0.8 x 0.6 mm: hypot(2.4, 3) = 3.84 mm, area 7.2 mm2, on 2 planes of 2.5 mm 36 mm3.
    expect(html).toMatch(
      /3\.84 × 3\.07 mm · 36 mm³ · area 7\.2 mm² · image 2 of series 3 · right side · <a href="#mask-A">mask A<\/a>/,
    );
    expect(html).toContain('href="https://viewer.example/?StudyInstanceUIDs=1.2.826.0.1.3680043.8.498.77.1"');
    expect(html).toContain('▲ Side: text says left, mask lies right');
    expect(html).toContain('id="mask-A"');
  });

  it('describes each key image by finding, image and side', () => {
    const html = page();
    expect([...html.matchAll(/alt="([^"]*)"/g)].map((m) => m[1])).toEqual([
      'A: liver lesion, outlined, image 2 of series 3, on the patient&#39;s right',
      'B: liver, outlined, image 3 of series 3, on the patient&#39;s right',
      'C: renal cyst, outlined, image 3 of series 3, on the patient&#39;s left',
      'D: kidney stone, outlined, image 6 of series 3, on the patient&#39;s left',
    ]);
    expect(html).toContain('<figcaption>A · image 2, W 400 C 40</figcaption>');
  });

  it('puts R at the left edge of an axial image seen from the feet, and L at its right edge', () => {
    expect(page()).toContain('<span class="l" aria-hidden="true">R</span><span class="r" aria-hidden="true">L</span>');
  });

  it('says that there is no calibrated size where pixels have none', () => {
    const html = page({ kind: 'picture' });
    expect(html).toContain('no calibrated size');
    expect(html).not.toMatch(/\d mm/);
  });

  it('has no measurement table and no picture where there is no mask', () => {
    const html = page({ masks: 'none' });
    expect(html).not.toContain('<table>');
    expect(html).not.toContain('<img');
  });

  it('says so where a picture is missing', () => {
    const input = sampleInput();
    const { segs, sr } = encodeAll(input);
    expect(encodePreview(input, segs, sr, new Map()).match(/no picture of this image/g)).toHaveLength(4);
  });

  it('shows markup as text', () => {
    const html = page(saying(`<script>alert("x")</script> & <img src=x onerror='y'>`));
    expect(html).not.toMatch(/<script|<img src=x/);
    expect(html).toContain(
      '&#60;script&#62;alert(&#34;x&#34;)&#60;/script&#62; &#38; &#60;img src=x onerror=&#39;y&#39;&#62;',
    );
  });

  it('names bidi controls instead of letting them turn a sentence round', () => {
    const html = page(saying('no \u202eelodon tfel\u202c here'));
    expect(html).toContain('no [U+202E]elodon tfel[U+202C] here');
    expect(html).not.toMatch(/[\u202a-\u202e\u2066-\u2069]/);
  });

  it('never links to anything but http, https and the viewer Weasis', () => {
    expect(page({ site: { viewerUrl: 'javascript:alert(1)//{study}' } })).not.toContain('javascript:');
    expect(page({ site: { viewerUrl: 'file:///etc/{study}' } })).not.toContain('file:');
    expect(page({ site: { viewerUrl: 'weasis://open?{study}' } })).toContain('href="weasis://open?');
  });

  it.each([
    ['grey', false],
    ['colour', true],
  ])('stays under 300 KB with 8 key images of pure %s noise', { timeout: 60_000 }, (_name, colour) => {
    const html = noisyPage(8, colour);
    expect(html.match(/<img /g)).toHaveLength(8);
    expect(Buffer.byteLength(html)).toBeLessThanOrEqual(300 * 1024);
  });

  it('says for which masks it leaves the picture out when there are many', { timeout: 60_000 }, () => {
    const html = noisyPage(30, false);
    expect(html.match(/<img /g)).toHaveLength(24);
    expect(html.match(/picture left out: more than 24/g)).toHaveLength(6);
    expect(Buffer.byteLength(html)).toBeLessThan(500 * 1024);
    expect(html).toContain('>AD</span>');
  });

  it.skipIf(missing('python'))('reads in plain text as every sentence with its kind, in order', async () => {
    const input = sampleInput();
    const path = join(mkdtempSync(join(tmpdir(), 'preview-')), 'report.html');
    writeFileSync(path, encodeAll(input).html);
    const reader = `
import sys
from html.parser import HTMLParser
class Text(HTMLParser):
    skip = 0
    def handle_starttag(self, tag, attributes):
        self.skip += tag in ("style", "title")
    def handle_endtag(self, tag):
        self.skip -= tag in ("style", "title")
    def handle_data(self, data):
        if not self.skip and data.strip(): print(data.strip())
Text().feed(open(sys.argv[1], encoding="utf-8").read())
`;
    const { stdout } = await python(reader, [path]);
    const kinds: Record<string, RegExp> = {
      linked: /mask [A-Z]/,
      negative: /Negative finding/,
      ungrounded: /Grounding failed/,
      plain: /No image evidence/,
    };
    let rest = stdout.slice(stdout.indexOf('Findings'));
    for (const s of input.draft.sentences) {
      const at = rest.indexOf(s.text);
      expect(at).toBeGreaterThanOrEqual(0);
      rest = rest.slice(at + s.text.length);
      const own = rest.split(input.draft.sentences.find((x) => rest.includes(x.text))?.text ?? 'Measurements')[0]!;
      expect(own).toMatch(kinds[s.kind]!);
    }
  });

  it.skipIf(missing('chromium'))(
    'is drawn by a browser with its outlines, and needs no sideways scrolling at 640 pixels',
    { timeout: 60_000 },
    async () => {
      const folder = mkdtempSync(join(tmpdir(), 'preview-'));
      writeFileSync(join(folder, 'report.html'), page());
      const shot = async (width: number) => {
        const out = join(folder, `${width}.png`);
        await runPeer(peers.chromium!, [
          '--headless',
          '--no-sandbox',
          '--disable-gpu',
          '--hide-scrollbars',
          `--user-data-dir=${join(folder, 'profile')}`,
          `--screenshot=${out}`,
          `--window-size=${width},1100`,
          `file://${join(folder, 'report.html')}`,
        ]);
        return decode(readFileSync(out));
      };
      const wide = await shot(940);
      let outline = 0;
      for (let i = 0; i < wide.data.length; i += wide.channels) {
        if (wide.data[i] === 0x99 && wide.data[i + 1] === 0xcc && wide.data[i + 2] === 0xff) outline++;
      }
      expect(outline).toBeGreaterThan(20);
      const narrow = await shot(640);
      // The banner's border ends before the right edge: the last columns are white.
      for (let y = 0; y < 300; y++)
        expect(narrow.data[(y * narrow.width + narrow.width - 3) * narrow.channels]).toBe(255);
    },
  );
});
