import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { describe, expect, it } from 'vitest';
import { catalogue } from '../../src/base/index.ts';
import { root } from '../peers/index.ts';

/** The rooms in which notices, reasons and passed-over images are made. */
const rooms = 'src/{{imaging,inference,findings,work,studies}/**/*,delivery/dimse}.ts';

interface Found {
  readonly codes: ReadonlySet<string>;
  /** `file: expression` of each object whose code is not a literal, so that a new one is looked at by a person. */
  readonly computed: ReadonlySet<string>;
}

describe('docs/warnings.md', () => {
  const page = readFileSync(join(root, 'docs/warnings.md'), 'utf8');
  const rows = [...page.matchAll(/^\| `([a-z0-9-]+)` \| (.+) \| (.+) \|$/gm)];
  const documented = rows.map((m) => m[1]!);
  const found = scan();

  it('names every code that the sources can give, and no other', () => {
    expect(found.codes.size).toBeGreaterThan(60);
    expect(documented.toSorted()).toEqual([...found.codes].toSorted());
  });

  it('names each code once, with its meaning and what to do', () => {
    expect(new Set(documented).size).toBe(documented.length);
    for (const [line, , meaning, remedy] of rows) {
      expect(meaning!.length, line).toBeGreaterThan(8);
      expect(remedy!.endsWith('.'), line).toBe(true);
    }
  });

  it('knows where a code is computed, and from what', () => {
    expect([...found.computed].toSorted()).toEqual([
      'src/delivery/dimse.ts: code', // a parameter: its arguments are read
      'src/findings/select.ts: main.problem!', // keys of `reasons`, read below
      'src/imaging/eligible.ts: entry[1]', // rows of `otherClasses`, read below
      'src/imaging/slides.ts: code', // a parameter: its arguments are read
      'src/imaging/stacks.ts: code', // the same
      'src/studies/gate-rows.ts: code', // codes of errors
      'src/studies/open.ts: code', // words of whoever notes something
      'src/work/claims.ts: error.code', // codes of errors
      'src/work/read.ts: code', // unsuitable-… and codes of errors of class hold: the pixel-… ones
      'src/work/rows.ts: row.code', // what was stored
    ]);
  });
});

function scan(): Found {
  const codes = new Set<string>(Object.keys(catalogue).filter((code) => code.startsWith('pixel-')));
  const computed = new Set<string>();
  const files = globSync(rooms, { cwd: root }).filter((f) => !/\.d\.ts$|\/decode\/|-schema\.ts$|summary\.ts$/.test(f));
  for (const file of files) {
    const source = ts.createSourceFile(file, readFileSync(join(root, file), 'utf8'), ts.ScriptTarget.Latest, true);
    for (const at of objectsWithCode(source, file)) (at.literal ? codes : computed).add(at.text);
    for (const code of [...handedOver(source), ...tables(source)]) codes.add(code);
  }
  return { codes, computed };
}

interface CodeAt {
  readonly literal: boolean;
  readonly text: string;
}

/** Object literals `{ code, message | reason, … }` that are neither errors of the catalogue with a remedy nor messages. */
function objectsWithCode(source: ts.SourceFile, file: string): CodeAt[] {
  return nodesOf(source).flatMap((node): CodeAt[] => {
    if (!ts.isObjectLiteralExpression(node)) return [];
    const named = new Map(node.properties.flatMap((p) => (p.name ? [[p.name.getText(source), p]] : [])));
    const code = named.get('code');
    if (!code || !(named.has('message') || named.has('reason')) || named.has('kind')) return [];
    const value = ts.isPropertyAssignment(code) ? code.initializer : code.name!;
    if (!ts.isStringLiteral(value)) return [{ literal: false, text: `${file}: ${value.getText(source)}` }];
    // Holds of a workitem and refusals of an instance are errors, with their place in the catalogue.
    const isError = value.text in catalogue && (named.has('remedy') || named.has('who'));
    return isError ? [] : [{ literal: true, text: value.text }];
  });
}

/** Literals that are handed to a function of the same file in the place of its parameter `code`. */
function handedOver(source: ts.SourceFile): string[] {
  const places = new Map<string, number>();
  for (const node of nodesOf(source)) {
    if (!ts.isFunctionDeclaration(node) || !node.name) continue;
    const at = node.parameters.findIndex((p) => p.name.getText(source) === 'code');
    if (at >= 0) places.set(node.name.text, at);
  }
  return nodesOf(source).flatMap((node) => {
    if (!ts.isCallExpression(node) || !ts.isIdentifier(node.expression)) return [];
    const at = places.get(node.expression.text);
    const given = at === undefined ? undefined : node.arguments[at];
    return given && ts.isStringLiteral(given) && !(given.text in catalogue && /studies/.test(source.fileName))
      ? [given.text]
      : [];
  });
}

/** Keys of the table `reasons`, second column of the table `otherClasses`. */
function tables(source: ts.SourceFile): string[] {
  return nodesOf(source).flatMap((node) => {
    if (!ts.isVariableDeclaration(node) || !node.initializer) return [];
    const { initializer } = node;
    if (node.name.getText(source) === 'reasons' && ts.isObjectLiteralExpression(initializer))
      return initializer.properties.flatMap((p) => (p.name && ts.isStringLiteral(p.name) ? [p.name.text] : []));
    if (node.name.getText(source) !== 'otherClasses' || !ts.isArrayLiteralExpression(initializer)) return [];
    return initializer.elements.flatMap((row) => {
      const code = ts.isArrayLiteralExpression(row) ? row.elements[1] : undefined;
      return code && ts.isStringLiteral(code) ? [code.text] : [];
    });
  });
}

function nodesOf(source: ts.SourceFile): ts.Node[] {
  const nodes: ts.Node[] = [];
  const visit = (node: ts.Node): void => {
    nodes.push(node);
    ts.forEachChild(node, visit);
  };
  visit(source);
  return nodes;
}
