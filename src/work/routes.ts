import type { FromSchema } from 'json-schema-to-ts';
import {
  canonicalJson,
  parseChecked,
  PlumblineError,
  windowSchema,
  type DicomJson,
  type Region,
  type Window,
  type WindowRule,
} from '../base/index.ts';
import { items, text, texts } from '../dicom/index.ts';

const strings = { type: 'array', minItems: 1, items: { type: 'string', minLength: 1 } } as const;

/** What is asked: one task of a bundle. */
const askedProperties = {
  task: { type: 'string', minLength: 1, description: 'A task of the bundle. Either this or tasks.' },
  prompt: { type: 'string', minLength: 1, description: 'Instead of the task’s own prompt.' },
  slots: {
    type: 'object',
    additionalProperties: {
      anyOf: [
        { type: 'string', minLength: 1 },
        { type: 'array', minItems: 1, maxItems: 16, items: { type: 'string', minLength: 1 } },
      ],
    },
    description:
      'Values for the slots of the task’s prompt, e.g. target. A list is a question for each, about the same picture, in one draft.',
  },
} as const;

/** JSON Schema of mappings/routes.json; `npm run docs` prints it to mappings/routes.schema.json. */
export const routesSchema = {
  $schema: 'https://json-schema.org/draft/2020-12/schema',
  $id: 'urn:plumbline:schema:routes',
  title: 'Plumbline routes',
  description:
    'Which series are read by which bundle for which task, and where the result goes. Each series goes to the first rule whose conditions all hold.',
  type: 'object',
  additionalProperties: false,
  required: ['version', 'rules'],
  properties: {
    $schema: { type: 'string' },
    version: { const: 1 },
    rules: {
      type: 'array',
      minItems: 1,
      items: {
        type: 'object',
        additionalProperties: false,
        required: ['name', 'when', 'then'],
        properties: {
          name: {
            type: 'string',
            pattern: '^[a-z0-9][a-z0-9-]{0,63}$',
            description: 'Unique; shown by explain and in the workitem.',
          },
          comment: { type: 'string' },
          when: {
            type: 'object',
            additionalProperties: false,
            description:
              'All conditions must hold; within one, any value is enough. No condition matches every series.',
            properties: {
              modality: { ...strings, description: 'Modality (0008,0060).' },
              bodyPart: { ...strings, description: 'Body Part Examined (0018,0015), any case.' },
              sopClass: { ...strings, description: 'SOP Class UID (0008,0016).' },
              procedureCode: {
                ...strings,
                description:
                  'Code values of Procedure Code Sequence or Request Attributes, as `value` or `scheme|value`.',
              },
              description: {
                ...strings,
                description: 'Study or Series Description; `*` stands for any text, any case.',
              },
              sender: { ...strings, description: 'Who sent it: address, AE title or user; `*` stands for any text.' },
            },
          },
          then: {
            type: 'object',
            additionalProperties: false,
            required: ['bundle'],
            properties: {
              bundle: { type: 'string', minLength: 1, description: 'Folder name under models/.' },
              ...askedProperties,
              tasks: {
                type: 'array',
                minItems: 1,
                items: {
                  type: 'object',
                  additionalProperties: false,
                  required: ['task'],
                  properties: askedProperties,
                },
                description:
                  'Several tasks instead of one. Each is a workitem of its own: its draft is made, held and delivered without the others.',
              },
              destinations: {
                type: 'array',
                items: { type: 'string', minLength: 1 },
                default: [],
                description: 'Names of configured destinations; empty keeps the result in the gateway’s own store.',
              },
              policy: {
                type: 'object',
                additionalProperties: false,
                default: {},
                properties: {
                  late: {
                    enum: ['new', 'replace', 'never'],
                    default: 'new',
                    description:
                      'Instances after the study was read: a new draft, replace the undelivered one, or never read again.',
                  },
                  burnedIn: {
                    enum: ['hold', 'allow'],
                    default: 'hold',
                    description: 'Images that say Burned In Annotation YES.',
                  },
                  captures: {
                    enum: ['pass-over', 'read'],
                    default: 'pass-over',
                    description:
                      'Secondary captures in CT, MR, PT and NM series: pictures of a screen, no plane of the patient.',
                  },
                  slices: {
                    type: 'object',
                    additionalProperties: false,
                    default: {},
                    properties: {
                      every: { type: 'integer', minimum: 1, default: 1, description: 'Read each n-th plane.' },
                      max: {
                        type: 'integer',
                        minimum: 1,
                        default: 64,
                        description: 'At most so many planes a stack, evenly spread.',
                      },
                      propagate: {
                        type: 'boolean',
                        default: false,
                        description:
                          'Carry masks to the planes between, both ways. No bundle of format 1 can; the draft then says so (propagation-missing).',
                      },
                    },
                  },
                  frames: {
                    type: 'object',
                    additionalProperties: false,
                    description:
                      'Frames of multi-frame images without place in the patient (ultrasound, endoscopy, angiography); without it `slices` holds for them too.',
                    properties: {
                      stride: { type: 'integer', minimum: 1, default: 1, description: 'Read each n-th frame.' },
                      max: {
                        type: 'integer',
                        minimum: 1,
                        default: 64,
                        description: 'At most so many frames an image, evenly spread.',
                      },
                      propagate: {
                        type: 'boolean',
                        default: false,
                        description: 'As `slices.propagate`, in time.',
                      },
                    },
                  },
                  tiles: {
                    type: 'object',
                    additionalProperties: false,
                    description:
                      'Parts of a whole slide, where the bundle says the size of its pixels (docs/modalities.md).',
                    properties: {
                      max: {
                        type: 'integer',
                        minimum: 1,
                        default: 256,
                        description: 'At most so many tiles with tissue, evenly spread.',
                      },
                      overlap: {
                        type: 'number',
                        minimum: 0,
                        maximum: 0.5,
                        default: 0.125,
                        description: 'Share of its side that a tile has in common with its neighbour.',
                      },
                      tissue: {
                        type: 'number',
                        minimum: 0,
                        maximum: 1,
                        default: 0.05,
                        description: 'A tile with a smaller share of tissue is left out.',
                      },
                    },
                  },
                  secondPass: {
                    enum: ['auto', 'off'],
                    default: 'auto',
                    description:
                      'Ask for the mask of each claim that an answer does not show itself, by the bundle’s segmentation task. Nothing is asked where the answer shows all of it.',
                  },
                  minMaskPixels: {
                    type: 'integer',
                    minimum: 1,
                    default: 4,
                    description: 'A smaller mask counts as empty: its sentence is ungrounded.',
                  },
                  minMaskScore: {
                    type: 'number',
                    minimum: 0,
                    maximum: 1,
                    description:
                      'A mask that the model itself scores lower proves nothing: its sentence is ungrounded. Without it what the bundle says (`masks.min_score`), else every score is good enough.',
                  },
                  window: {
                    ...windowSchema,
                    description:
                      'How grey values become dark and bright: a window, or the name of a rule (docs/modalities.md). Without it what the bundle says of the modality, else `modality`.',
                  },
                },
              },
            },
          },
        },
      },
    },
  },
} as const;

export type Routes = FromSchema<typeof routesSchema>;
type Rule = Routes['rules'][number];

/** What one rule decided for the series that it took. */
export interface RouteDecision {
  readonly rule: string;
  readonly bundle: string;
  readonly task: string;
  readonly prompt?: string;
  readonly slots?: Slots;
  /** The part of one image that the question is about; only that image is looked at. */
  readonly region?: Region;
  readonly destinations: readonly string[];
  /** Series Instance UIDs that it reads. */
  readonly series: readonly string[];
  readonly policy: RoutePolicy;
  /** By Series Instance UID, where rules that made one decision together read their series in different ways. */
  readonly reading?: Readonly<Record<string, ReadingPolicy>>;
}

export interface TilesPolicy {
  readonly max: number;
  readonly overlap: number;
  readonly tissue: number;
}
/** Values of a prompt's slots; a list is a question for each. */
export type Slots = Readonly<Record<string, string | readonly string[]>>;

export interface RoutePolicy {
  readonly late: 'new' | 'replace' | 'never';
  readonly burnedIn: 'hold' | 'allow';
  readonly captures?: 'pass-over' | 'read';
  readonly slices: { readonly every: number; readonly max: number; readonly propagate?: boolean };
  readonly frames?: { readonly stride: number; readonly max: number; readonly propagate?: boolean };
  readonly tiles?: TilesPolicy;
  readonly minMaskPixels: number;
  /** Absent in decisions of earlier versions: `auto`. */
  readonly secondPass?: 'auto' | 'off';
  readonly minMaskScore?: number;
  readonly window?: Window | WindowRule;
}

/** The part of a policy that says what of a series is shown to the model, and how. */
export type ReadingPolicy = Pick<RoutePolicy, 'slices' | 'frames' | 'tiles' | 'window'>;

/** How a series is read: as the rule says that took it, where several rules made one decision. */
export function readingPolicy(route: RouteDecision, seriesUid: string): ReadingPolicy {
  return route.reading?.[seriesUid] ?? route.policy;
}

/** One series as the rules see it. */
export interface RoutedSeries {
  readonly seriesUid: string;
  readonly sender: string;
  /** Attributes of one instance of the series; the summary of the instance table is enough. */
  readonly attributes: DicomJson;
}

export interface ConditionResult {
  readonly condition: string;
  readonly wanted: readonly string[];
  readonly actual: readonly string[];
  readonly holds: boolean;
}

/** Why a rule took a series or not. */
export interface RuleExplanation {
  readonly rule: string;
  readonly seriesUid: string;
  readonly conditions: readonly ConditionResult[];
  readonly holds: boolean;
  /** Its conditions hold and no earlier rule had the series. */
  readonly taken: boolean;
}

/**
 * Parse and check a routes file.
 * @throws PlumblineError `routes-invalid` with file:line:column
 */
export function parseRoutes(source: string, file: string): Routes {
  const routes = parseChecked<Routes>(routesSchema, source, file, 'routes-invalid');
  const names = routes.rules.map((r) => r.name);
  const twice = names.find((n, i) => names.indexOf(n) !== i);
  if (twice) throw new PlumblineError('routes-invalid', `two rules are named "${twice}"`, { where: file });
  for (const rule of routes.rules) {
    const problem = askedProblem(rule);
    if (problem) throw new PlumblineError('routes-invalid', `rule "${rule.name}": ${problem}`, { where: file });
  }
  return routes;
}

function askedProblem({ then }: Rule): string | undefined {
  if ((then.task === undefined) === (then.tasks === undefined)) return 'name either one task or tasks';
  const stray = then.tasks !== undefined && (then.prompt ?? then.slots) !== undefined;
  return stray ? 'prompt and slots stand with each of its tasks' : undefined;
}

/**
 * Each series to the first rule whose conditions all hold. Rules that ask the same question of the same bundle for the
 * same destinations make one decision together, so that a study gets one report of it: each series is read as its own rule
 * says, all else is the policy of the first.
 */
export function decideRoutes(
  routes: Routes,
  series: readonly RoutedSeries[],
): { decisions: RouteDecision[]; explanations: RuleExplanation[] } {
  const explanations: RuleExplanation[] = [];
  const taken = new Map<Rule, string[]>();
  for (const one of series) {
    let free = true;
    for (const rule of routes.rules) {
      const conditions = conditionsOf(rule, one);
      const holds = conditions.every((c) => c.holds);
      explanations.push({ rule: rule.name, seriesUid: one.seriesUid, conditions, holds, taken: holds && free });
      if (holds && free) {
        free = false;
        taken.set(rule, [...(taken.get(rule) ?? []), one.seriesUid]);
      }
    }
  }
  const decisions = new Map<string, RouteDecision>();
  for (const made of [...taken].flatMap(([rule, uids]) => decisionsOf(rule, uids))) {
    const same = canonicalJson([made.bundle, made.task, made.prompt ?? null, made.slots ?? null, made.destinations]);
    const before = decisions.get(same);
    decisions.set(same, before ? together(before, made) : made);
  }
  return { decisions: [...decisions.values()], explanations };
}

function together(before: RouteDecision, made: RouteDecision): RouteDecision {
  const rule = `${before.rule}+${made.rule}`;
  const joined = { ...before, rule, series: [...before.series, ...made.series] };
  const [was, is] = [readingOf(before.policy), readingOf(made.policy)];
  if (!before.reading && canonicalJson(was) === canonicalJson(is)) return joined;
  const own = (d: RouteDecision, reading: ReadingPolicy) => d.series.map((uid) => [uid, reading] as const);
  return {
    ...joined,
    reading: { ...Object.fromEntries(own(before, was)), ...before.reading, ...Object.fromEntries(own(made, is)) },
  };
}

function readingOf({ slices, frames, tiles, window }: RoutePolicy): ReadingPolicy {
  return { slices, ...(frames && { frames }), ...(tiles && { tiles }), ...(window !== undefined && { window }) };
}

/** One for each task: a task is a workitem, so that none waits for another or falls with it. */
function decisionsOf(rule: Rule, series: readonly string[]): RouteDecision[] {
  const { bundle, destinations, policy } = rule.then;
  return tasksOf(rule).map(({ task, prompt, slots }) => ({
    rule: rule.name,
    bundle,
    task,
    ...(prompt === undefined ? {} : { prompt }),
    ...(slots === undefined ? {} : { slots }),
    destinations: destinations ?? [],
    series,
    policy: { ...policy, slices: policy.slices },
  }));
}

/** One task that a rule asks for. */
export interface AskedTask {
  readonly task: string;
  readonly prompt?: string;
  readonly slots?: Slots;
}

export function tasksOf({ then }: Rule): readonly AskedTask[] {
  return then.tasks ?? [{ ...then, task: then.task! }];
}

/** What holds where a rule says nothing: the defaults of the schema. */
export const defaultPolicy: RoutePolicy = {
  late: 'new',
  burnedIn: 'hold',
  slices: { every: 1, max: 64 },
  minMaskPixels: 4,
  secondPass: 'auto',
};

function conditionsOf(rule: Rule, series: RoutedSeries): ConditionResult[] {
  const { when } = rule;
  const a = series.attributes;
  const results: ConditionResult[] = [];
  const add = (
    condition: keyof typeof when,
    actual: string[],
    same: (wanted: string, actual: string) => boolean,
  ): void => {
    const wanted = when[condition];
    if (wanted) results.push({ condition, wanted, actual, holds: wanted.some((w) => actual.some((x) => same(w, x))) });
  };
  add('modality', [text(a, 'Modality')], (w, x) => w === x);
  add('bodyPart', [text(a, 'BodyPartExamined')], (w, x) => w.toUpperCase() === x.toUpperCase());
  add('sopClass', [text(a, 'SOPClassUID')], (w, x) => w === x);
  add('procedureCode', procedureCodes(a), (w, x) => x === w || x.split('|')[1] === w);
  add('description', [text(a, 'StudyDescription'), text(a, 'SeriesDescription')], matchesPattern);
  add('sender', [series.sender], matchesPattern);
  return results;
}

/** Codes of the procedure as `scheme|value`: performed, requested, and of the request attributes. */
function procedureCodes(a: DicomJson): string[] {
  const requests = items(a, 'RequestAttributesSequence');
  const codes = [
    ...items(a, 'ProcedureCodeSequence'),
    ...items(a, 'RequestedProcedureCodeSequence'),
    ...requests.flatMap((r) => [
      ...items(r, 'RequestedProcedureCodeSequence'),
      ...items(r, 'ScheduledProtocolCodeSequence'),
    ]),
  ];
  return codes.map((c) => `${text(c, 'CodingSchemeDesignator')}|${texts(c, 'CodeValue')[0] ?? ''}`);
}

/** `*` any text, any case; no regular expressions, so that no pattern can take long on a sender's text. */
export function matchesPattern(pattern: string, value: string): boolean {
  const parts = pattern.toLowerCase().split('*');
  const low = value.toLowerCase();
  if (parts.length === 1) return low === parts[0];
  if (
    !low.startsWith(parts[0]!) ||
    !low.endsWith(parts.at(-1)!) ||
    low.length < parts[0]!.length + parts.at(-1)!.length
  )
    return false;
  let at = parts[0]!.length;
  const end = low.length - parts.at(-1)!.length;
  for (const part of parts.slice(1, -1)) {
    const found = low.indexOf(part, at);
    if (found < 0 || found + part.length > end) return false;
    at = found + part.length;
  }
  return true;
}
