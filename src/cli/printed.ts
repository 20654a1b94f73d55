import { catalogue, configSchema } from '../base/index.ts';
import { codesSchema, presenceSchema, summarySchema, targetsSchema } from '../findings/index.ts';
import { questionSchema } from '../doors/questions/index.ts';
import { routesSchema } from '../work/index.ts';

/** Files of the repository that are printed from the program, so that they cannot drift: path to text. */
export function printedFiles(): ReadonlyMap<string, string> {
  return new Map([
    ['docs/errors.md', errorsPage()],
    ['docs/configuration.md', configurationPage()],
    ['mappings/routes.schema.json', json(routesSchema)],
    ['mappings/codes.schema.json', json(codesSchema)],
    ['mappings/presence.schema.json', json(presenceSchema)],
    ['mappings/targets.schema.json', json(targetsSchema)],
    ['docs/summary.schema.json', json(summarySchema)],
    ['docs/question.schema.json', json(questionSchema)],
  ]);
}

function json(schema: object): string {
  return `${JSON.stringify(schema, null, 2)}\n`;
}

function errorsPage(): string {
  const classes = {
    reject: 'the sender’s fault, answered in its protocol; a delivery of this class is a dead letter at once',
    hold: 'a person must look; nothing goes on until it is released',
    retry: 'trouble that may pass; tried again with growing pauses',
    bug: 'ours',
  };
  const lines = [
    '# Errors',
    '',
    'Printed from `src/base/catalogue.ts` by `npm run docs`. Every error of the program has one of these codes; its class decides what happens.',
    '',
    ...Object.entries(classes).map(([name, means]) => `- **${name}**: ${means}.`),
    '',
    '| code | class | what happened | what to do |',
    '|---|---|---|---|',
    ...Object.entries(catalogue)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([code, e]) => `| \`${code}\` | ${e.class} | ${e.cause} | ${e.remedy} |`),
    '',
  ];
  return lines.join('\n');
}

interface SchemaNode {
  readonly type?: string;
  readonly description?: string;
  readonly default?: unknown;
  readonly enum?: readonly unknown[];
  readonly minimum?: number;
  readonly maximum?: number;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly items?: SchemaNode;
  readonly additionalProperties?: unknown;
}

function configurationPage(): string {
  const rows: string[] = [];
  const walk = (node: SchemaNode, path: string): void => {
    for (const [key, child] of Object.entries(node.properties ?? {})) {
      const at = path ? `${path}.${key}` : key;
      if (child.properties) walk(child, at);
      else if (child.items?.properties) walk(child.items, `${at}[]`);
      else
        rows.push(
          `| \`${at}\` | ${kindOf(child)} | ${child.default === undefined ? '' : `\`${JSON.stringify(child.default)}\``} | ${child.description ?? ''} |`,
        );
    }
  };
  walk(configSchema as unknown as SchemaNode, '');
  return [
    '# plumbline.yaml',
    '',
    'Printed from the schema in `src/base/config.ts` by `npm run docs`. Every key has a default, so an empty file is a valid configuration. Unknown keys are refused with file, line and column.',
    '',
    '`plumbline init` writes a commented file to start from; `plumbline check` says what a site lacks.',
    '',
    '| key | type | default | meaning |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n');
}

function kindOf(node: SchemaNode): string {
  if (node.enum) return node.enum.map((v) => `\`${String(v)}\``).join(' ');
  if (node.type === 'array') return 'list';
  if (node.type === 'object') return 'map';
  return node.type ?? '';
}
