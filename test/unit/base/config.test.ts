import { describe, expect, it } from 'vitest';
import { parseConfig, PlumblineError } from '../../../src/base/index.ts';

function refusal(text: string): PlumblineError {
  try {
    parseConfig(text, 'plumbline.yaml', '/site');
  } catch (e) {
    return e as PlumblineError;
  }
  throw new Error('accepted');
}

describe('the configuration', () => {
  it('may be empty: every key has a default', () => {
    const config = parseConfig('', 'plumbline.yaml', '/site');
    expect(config.http).toEqual({
      host: '127.0.0.1',
      port: 8470,
      trustedNetwork: false,
      corsOrigins: [],
      trustedProxies: [],
    });
    expect(config.access).toEqual({ certificates: [], requestsPerMinute: 60000, failuresPerMinute: 30 });
    expect(config.dataDir).toBe('/site/plumbline-data');
    expect(config.destinations).toEqual([]);
  });

  it('names an unknown key and a wrong type with file, line and column', () => {
    const e = refusal('http:\n  port: x\n  prot: 3\n');
    expect(e.code).toBe('config-invalid');
    expect(e.where).toBe('plumbline.yaml:2:3');
    expect(e.message).toContain('plumbline.yaml:2:3: /http/port: must be integer');
    expect(e.message).toContain('plumbline.yaml:3:3: /http/prot: unknown key "prot"');
  });

  it('names the place of a YAML syntax error', () => {
    expect(refusal('http:\n  - [').where).toMatch(/^plumbline\.yaml:\d+:\d+$/);
  });

  const oidc = 'access: {oidc: {issuer: "https://login.example", audience: plumbline}}';
  const tls = 'tls: {certFile: c.pem, keyFile: k.pem, caFile: ca.pem}';

  it.each([
    ['nothing', 'http: {host: 0.0.0.0}'],
    ['TLS but no authentication', `http: {host: 0.0.0.0, ${tls}}`],
    ['authentication but no TLS', `http: {host: "::"}\n${oidc}`],
    ['an address of the network', 'http: {host: 192.168.1.5}'],
  ])('refuses to listen beyond loopback with %s, and says how', (_what, text) => {
    const { code, remedy } = refusal(text);
    expect(code).toBe('listen-refused');
    for (const way of ['127.0.0.1', 'http.tls', 'access.oidc', 'access.certificates', 'http.trustedNetwork'])
      expect(remedy).toContain(way);
  });

  it.each([
    ['TLS and tokens', `http: {host: 0.0.0.0, ${tls}}\n${oidc}`],
    ['mutual TLS', `http: {host: 0.0.0.0, ${tls}}\naccess: {certificates: [{subject: {CN: ct-1}, scopes: [stow]}]}`],
    ['a statement that the network is trusted', 'http: {host: 0.0.0.0, trustedNetwork: true}'],
  ])('listens beyond loopback with %s', (_what, text) => {
    expect(parseConfig(text, 'f', '/').http.host).toBe('0.0.0.0');
  });

  it('takes the paths of its files from its own folder', () => {
    const { http, access } = parseConfig(
      `http: {${tls}}\naccess: {oidc: {issuer: "https://login.example", audience: a, jwksFile: keys.json}}`,
      'f',
      '/site',
    );
    expect(http.tls).toEqual({
      certFile: '/site/c.pem',
      keyFile: '/site/k.pem',
      caFile: '/site/ca.pem',
      required: false,
    });
    expect(access.oidc?.jwksFile).toBe('/site/keys.json');
  });

  it.each([
    ['certificates that nobody is asked for', 'access: {certificates: [{subject: {CN: a}}]}', 'caFile'],
    [
      'two sources of keys',
      `access: {oidc: {issuer: "https://a.example", audience: a, jwksFile: f, jwksUrl: "https://a.example/k"}}`,
      'both',
    ],
    ['a provider without TLS', 'access: {oidc: {issuer: "http://login.example", audience: a}}', 'https'],
    [
      'signatures with a shared secret',
      'access: {oidc: {issuer: "https://a.example", audience: a, algorithms: [HS256]}}',
      'algorithms',
    ],
    ['no signature', 'access: {oidc: {issuer: "https://a.example", audience: a, algorithms: [none]}}', 'algorithms'],
    ['a proxy that is no address', 'http: {trustedProxies: [everyone]}', 'everyone'],
  ])('refuses %s', (_what, text, word) => {
    const { code, message } = refusal(text);
    expect(code).toBe('config-invalid');
    expect(message).toContain(word);
  });

  it('refuses a password in an address, and does not repeat it', () => {
    const e = refusal('destinations: [{name: a, kind: fhir, url: "https://joe:hush@ehr.example/fhir"}]');
    expect(e.code).toBe('config-invalid');
    expect(`${e.message}${e.where ?? ''}${e.remedy}`).not.toContain('hush');
  });

  it.each([
    ['Authorization', 'Basic hush'],
    ['proxy-authorization', 'hush'],
    ['COOKIE', 'session=hush'],
    ['X-Api-Key', 'hush'],
    ['x-apikey', 'hush'],
    ['Ocp-Apim-Subscription-Key', 'hush'],
    ['X-Auth-Token', 'hush'],
    ['X-Forwarded-As', 'bearer hush'],
  ])(
    'refuses a secret in the header %s of a destination, names it and the way, and does not repeat it',
    (header, value) => {
      const e = refusal(
        `destinations: [{name: ehr, kind: fhir, url: "https://a.example", headers: {${header}: "${value}"}}]`,
      );
      expect(e.code).toBe('config-invalid');
      expect(e.message).toContain(`headers.${header} of destination ehr`);
      expect(e.remedy).toContain(`headerFiles: { ${header}: `);
      expect(`${e.message}${e.where ?? ''}${e.remedy}`).not.toContain('hush');
    },
  );

  it('takes headers that hold no secret, and files of those that do, from its own folder', () => {
    const text =
      'destinations: [{name: ehr, kind: fhir, url: "https://a.example", headers: {Prefer: minimal, X-Site: north, X-Author: me}, headerFiles: {Authorization: ./basic}}]';
    const [d] = parseConfig(text, 'f', '/site').destinations;
    expect(d!.headers).toEqual({ Prefer: 'minimal', 'X-Site': 'north', 'X-Author': 'me' });
    expect(d!.headerFiles).toEqual({ Authorization: '/site/basic' });
    const bearer = 'destinations: [{name: ehr, kind: fhir, url: "https://a.example", bearerFile: token}]';
    expect(parseConfig(bearer, 'f', '/site').destinations[0]!.bearerFile).toBe('/site/token');
  });

  it('refuses two values for one header, whatever its case', () => {
    const of = (keys: string): string => `destinations: [{name: a, kind: fhir, url: "https://a.example", ${keys}}]`;
    expect(refusal(of('bearerFile: t, headerFiles: {AUTHORIZATION: b}')).message).toContain('two values');
    expect(refusal(of('headers: {X-Site: a, x-site: b}')).message).toContain('the header x-site');
  });

  it('refuses an HL7 listener that others can reach, unless it asks for client certificates', () => {
    const listener = (tls: string): string => `hl7: {listeners: [{name: ris, host: 0.0.0.0, port: 2575${tls}}]}`;
    const files = 'certFile: c.pem, keyFile: k.pem';
    expect(refusal(listener('')).code).toBe('listen-refused');
    expect(refusal(listener(`, tls: {${files}}`)).code).toBe('listen-refused');
    const config = parseConfig(listener(`, tls: {${files}, clientCaFile: ca.pem}`), 'f', '/site');
    expect(config.hl7.listeners[0]!.tls).toEqual({
      certFile: '/site/c.pem',
      keyFile: '/site/k.pem',
      clientCaFile: '/site/ca.pem',
    });
    expect(parseConfig(`${listener('')}\nhttp: {trustedNetwork: true}`, 'f', '/').hl7.listeners).toHaveLength(1);
    expect(parseConfig('', 'f', '/').hl7.listeners).toEqual([]);
  });

  it('refuses an address that is not of its kind of destination', () => {
    const at = (kind: string, url: string): string => `destinations: [{name: a, kind: ${kind}, url: "${url}"}]`;
    expect(refusal(at('hl7', 'http://ris.example')).message).toContain('is no address for hl7');
    expect(refusal(at('hl7', 'mllp://ris.example')).code).toBe('config-invalid');
    expect(refusal(at('fhir', 'mllp://ehr.example:1')).code).toBe('config-invalid');
    expect(parseConfig(at('hl7', 'mllps://ris.example:2576'), 'f', '/').destinations).toHaveLength(1);
  });

  it('refuses a link to a viewer by another scheme than http, https or weasis', () => {
    const at = (url: string): string => `site: {viewerUrl: "${url}"}`;
    expect(refusal(at('javascript:alert(1)')).code).toBe('config-invalid');
    expect(refusal(at('viewer.example/{study}')).code).toBe('config-invalid');
    expect(parseConfig(at('weasis://x{study}'), 'f', '/').site.viewerUrl).toBe('weasis://x{study}');
  });

  it('refuses two destinations of one name', () => {
    const text =
      'destinations:\n  - {name: pacs, kind: dicomweb, url: "http://a"}\n  - {name: pacs, kind: fhir, url: "http://b"}\n';
    expect(refusal(text).message).toContain('two destinations are named "pacs"');
  });

  it('has no DICOM listener unless one is asked for, and then one on loopback', () => {
    expect(parseConfig('', 'f', '/site').dimse).toEqual({ listeners: [] });
    const [listener] = parseConfig('dimse: {listeners: [{}]}', 'f', '/site').dimse.listeners;
    expect(listener).toMatchObject({ host: '127.0.0.1', port: 11112, aeTitle: 'PLUMBLINE', callers: [] });
  });

  it('opens no DICOM listener to others without mutual TLS or a statement that the network is trusted', () => {
    const listener = (keys: string): string => `dimse: {listeners: [{host: 0.0.0.0${keys}}]}`;
    const tls = 'certFile: a.pem, keyFile: b.pem';
    for (const keys of ['', `, tls: {${tls}}`, ', callers: [{aeTitle: CT1}]'])
      expect(refusal(listener(keys)).code, keys).toBe('listen-refused');
    for (const keys of [`, tls: {${tls}, caFile: c.pem}`, ', trustedNetwork: true'])
      expect(parseConfig(listener(keys), 'f', '/site').dimse.listeners, keys).toHaveLength(1);
  });

  it('takes the files of TLS from the folder of the configuration', () => {
    const text = 'dimse: {listeners: [{tls: {certFile: pki/a.pem, keyFile: /abs/b.pem}}]}';
    expect(parseConfig(text, 'f', '/site').dimse.listeners[0]!.tls).toEqual({
      certFile: '/site/pki/a.pem',
      keyFile: '/abs/b.pem',
    });
  });

  it('asks of a destination what its kind needs', () => {
    const of = (keys: string): string => `destinations: [{name: pacs, ${keys}}]`;
    expect(refusal(of('kind: dimse, host: pacs, port: 104')).message).toContain("required property 'calledAet'");
    expect(refusal(of('kind: dicomweb')).message).toContain("required property 'url'");
    expect(refusal(of('kind: dimse, host: pacs, port: 104, calledAet: "A\\\\B"')).code).toBe('config-invalid');
    expect(parseConfig(of('kind: dimse, host: pacs, port: 104, calledAet: PACS'), 'f', '/').destinations).toHaveLength(
      1,
    );
  });
});
