import dns from 'node:dns';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterAll, afterEach, beforeAll, describe, expect, it } from 'vitest';
import { guardOutbound, outbound } from '../../../src/access/index.ts';
import { asPlumblineError, parseConfig, PlumblineError } from '../../../src/base/index.ts';
import { makeDestination } from '../../../src/delivery/index.ts';

/** Where the cloud keeps its secrets; nothing answers there in a test, but the list must say no before anything is sent. */
const metadata = [
  'http://169.254.169.254',
  'https://169.254.169.254',
  'http://[::ffff:169.254.169.254]',
  'http://[fe80::1]',
  'http://[fd00:ec2::254]',
  'http://[64:ff9b::a9fe:a9fe]',
  'http://100.100.100.200',
  'http://168.63.129.16',
  'http://0xa9fea9fe', // URL makes 169.254.169.254 of it
  'http://2852039166',
];

async function codeOf(destination: object): Promise<string> {
  const { destinations } = parseConfig(JSON.stringify({ destinations: [destination] }), 'test', '/');
  try {
    return await makeDestination(destinations[0]!).check(AbortSignal.timeout(3000));
  } catch (e) {
    return asPlumblineError(e).code;
  }
}

describe('a destination at a link-local or metadata address', () => {
  const { lookup } = dns;
  beforeAll(() => guardOutbound({ allowLinkLocal: false }));
  afterEach(() => void (dns.lookup = lookup));

  it.each(metadata)('is refused before a byte is sent: %s', async (url) => {
    expect(await codeOf({ name: 'a', kind: 'dicomweb', url })).toBe('outbound-refused');
    expect(await codeOf({ name: 'a', kind: 'fhir', url })).toBe('outbound-refused');
  });

  it('is refused for HL7 and DICOM alike', async () => {
    expect(await codeOf({ name: 'a', kind: 'hl7', url: 'mllp://169.254.169.254:2575' })).toBe('outbound-refused');
    expect(await codeOf({ name: 'a', kind: 'hl7', url: 'mllps://169.254.169.254:2575' })).toBe('outbound-refused');
    const dimse = { name: 'a', kind: 'dimse', host: '169.254.169.254', port: 104, calledAet: 'PACS' };
    expect(await codeOf(dimse)).toBe('outbound-refused');
    expect(await codeOf({ ...dimse, tls: {} })).toBe('outbound-refused');
  });

  it('is refused where a harmless name leads there when it is connected to (DNS rebinding)', async () => {
    const answer = (_name: string, options: { all?: boolean }, done: (...a: unknown[]) => void): void => {
      const found = { address: '169.254.169.254', family: 4 };
      if (options.all) done(null, [found]);
      else done(null, found.address, found.family);
    };
    dns.lookup = answer as unknown as typeof dns.lookup;
    expect(await codeOf({ name: 'a', kind: 'dicomweb', url: 'http://pacs.example/dicom-web' })).toBe(
      'outbound-refused',
    );
    expect(await codeOf({ name: 'a', kind: 'hl7', url: 'mllp://ris.example:2575' })).toBe('outbound-refused');
    expect(await codeOf({ name: 'a', kind: 'fhir', url: 'https://ehr.example/fhir' })).toBe('outbound-refused');
    expect(await codeOf({ name: 'a', kind: 'hl7', url: 'mllps://ris.example:2575' })).toBe('outbound-refused');
  });

  it('is taken where the site says so', () => {
    guardOutbound({ allowLinkLocal: true });
    expect(outbound('169.254.169.254').host).toBe('169.254.169.254');
    guardOutbound({ allowLinkLocal: false });
    expect(() => outbound('169.254.169.254')).toThrow(PlumblineError);
    expect(outbound('192.168.1.5').host).toBe('192.168.1.5');
  });
});

describe('a destination that answers with a redirect', () => {
  const seen: string[] = [];
  let server: Server;
  let port: number;
  beforeAll(async () => {
    server = createServer((req, res) => {
      seen.push(req.url ?? '');
      res.writeHead(307, { location: `http://localhost:${port}/elsewhere` }).end();
    });
    await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
    port = (server.address() as AddressInfo).port;
  });
  afterAll(() => {
    server.closeAllConnections();
    server.close();
  });

  it.each(['dicomweb', 'fhir'])('is not followed: %s', async (kind) => {
    expect(await codeOf({ name: 'a', kind, url: `http://127.0.0.1:${port}/root` })).toMatch(/^peer-/);
    expect(seen.filter((path) => path.startsWith('/elsewhere'))).toEqual([]);
    expect(seen.length).toBeGreaterThan(0);
  });
});
