import { Ajv2020, type ValidateFunction, type ErrorObject } from 'ajv/dist/2020.js';
import addFormatsModule from 'ajv-formats';
import { LineCounter, parseDocument, type Document } from 'yaml';
import { PlumblineError } from './errors.ts';
import type { ErrorCode } from './catalogue.ts';

const ajv = new Ajv2020({ allErrors: true, strict: true, allowUnionTypes: true, useDefaults: true });
(addFormatsModule as unknown as (a: Ajv2020) => void)(ajv);

const compiled = new WeakMap<object, ValidateFunction>();

/** Where in a value a schema is broken, in words. An empty list means valid. Fills in defaults. */
export function schemaProblems(schema: object, value: unknown): { path: string; message: string }[] {
  let validate = compiled.get(schema);
  if (!validate) {
    validate = ajv.compile(schema);
    compiled.set(schema, validate);
  }
  if (validate(value)) return [];
  return (validate.errors ?? []).map((e) => ({ path: problemPath(e), message: problemText(e) }));
}

function problemPath(e: ErrorObject): string {
  const extra = (e.params as { additionalProperty?: string; unevaluatedProperty?: string }).additionalProperty;
  return extra === undefined
    ? e.instancePath
    : `${e.instancePath}/${extra.replaceAll('~', '~0').replaceAll('/', '~1')}`;
}

function problemText(e: ErrorObject): string {
  const p = e.params as Record<string, unknown>;
  if (e.keyword === 'additionalProperties') return `unknown key "${String(p['additionalProperty'])}"`;
  if (e.keyword === 'enum')
    return `must be one of ${(p['allowedValues'] as unknown[]).map((v) => JSON.stringify(v)).join(', ')}`;
  if (e.keyword === 'const') return `must be ${JSON.stringify(p['allowedValue'])}`;
  return e.message ?? e.keyword;
}

/**
 * Parse YAML or JSON text and check it.
 * @param file name for messages
 * @throws PlumblineError `code`, its `where` is file:line:column of the first problem, its message holds all of them.
 */
export function parseChecked<T>(schema: object, text: string, file: string, code: ErrorCode): T {
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: true });
  if (doc.errors.length > 0) {
    const { line, col } = lines.linePos(doc.errors[0]!.pos[0]);
    throw new PlumblineError(code, doc.errors[0]!.message.split('\n')[0]!.replace(/ at line .*/, ''), {
      where: `${file}:${line}:${col}`,
    });
  }
  const value: unknown = doc.toJS({ maxAliasCount: 100 });
  const problems = schemaProblems(schema, value);
  if (problems.length === 0) return value as T;
  const placed = problems.map((p) => ({ ...p, at: position(doc, lines, p.path) }));
  placed.sort((x, y) => x.at.line - y.at.line || x.at.col - y.at.col);
  const said = placed.map((p) => `${file}:${p.at.line}:${p.at.col}: ${p.path || '/'}: ${p.message}`).join('; ');
  throw new PlumblineError(code, said, { where: `${file}:${placed[0]!.at.line}:${placed[0]!.at.col}` });
}

/** Line and column (1-based) of a JSON pointer in a parsed document; of its nearest existing parent if it is not there. */
function position(doc: Document.Parsed, lines: LineCounter, pointer: string): { line: number; col: number } {
  const keys = pointer
    .split('/')
    .slice(1)
    .map((k) => k.replaceAll('~1', '/').replaceAll('~0', '~'));
  for (let n = keys.length; n >= 0; n--) {
    const path = keys.slice(0, n).map((k) => (/^\d+$/.test(k) ? Number(k) : k));
    const parent: unknown = n === 0 ? doc.contents : doc.getIn(path.slice(0, -1), true);
    const node = n === 0 ? parent : keyNode(parent, path[n - 1]!);
    const range = (node as { range?: readonly [number, number, number] } | undefined)?.range;
    if (range) return lines.linePos(range[0]);
  }
  return { line: 1, col: 1 };
}

function keyNode(parent: unknown, key: string | number): unknown {
  const items = (parent as { items?: unknown[] } | undefined)?.items;
  if (!items) return undefined;
  for (const item of items) {
    const pair = item as { key?: { value?: unknown; range?: unknown } };
    if (pair.key && pair.key.value === key) return pair.key;
  }
  return typeof key === 'number' ? items[key] : undefined;
}
