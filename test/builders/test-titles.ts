import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { root } from '../peers/index.ts';

const known = new Map<string, ReadonlySet<string> | undefined>();

/** Titles of the tests in a file as they stand in its source; undefined where there is no such file. */
export function testTitles(path: string): ReadonlySet<string> | undefined {
  if (!known.has(path)) known.set(path, titlesIn(path));
  return known.get(path);
}

function titlesIn(path: string): ReadonlySet<string> | undefined {
  const file = join(root, path);
  if (!existsSync(file)) return undefined;
  const source = ts.createSourceFile(path, readFileSync(file, 'utf8'), ts.ScriptTarget.Latest, true);
  const titles = new Set<string>();
  const visit = (node: ts.Node): void => {
    const [title] = ts.isCallExpression(node) ? node.arguments : [];
    if (ts.isCallExpression(node) && title && /^(it|test)\b/.test(node.expression.getText(source))) {
      if (ts.isStringLiteralLike(title)) titles.add(title.text);
      else if (ts.isTemplateExpression(title)) titles.add(title.getText(source).slice(1, -1));
    }
    ts.forEachChild(node, visit);
  };
  visit(source);
  return titles;
}
