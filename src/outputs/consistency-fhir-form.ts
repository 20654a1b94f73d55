import { isUid } from '../base/index.ts';
import type { FhirRead, SayFhir } from './consistency-fhir-rules.ts';
import { codeToken, isNode, list, node, type Node } from './fhir-nodes.ts';
import { r4Shapes, r5Shapes, type Shape } from './fhir-shapes.ts';

/** Fields and types of every resource, and the invariants of Observation (obs-6, obs-7: one value, or why there is none). */
export function checkShapes({ version, of }: FhirRead, bundle: unknown, say: SayFhir): void {
  const bad = (path: string, message: string) => say('PL-FHIR-020', `${path} ${message}`);
  const shapes = version === 'R4' ? r4Shapes : r5Shapes;
  if (!isNode(bundle) || bundle['resourceType'] !== 'Bundle') return bad('the Bundle', 'is none');
  checkNode(bundle, 'Bundle', 'Bundle', shapes, bad);
  for (const { resource } of of('Observation')) {
    for (const component of list(resource, 'component')) {
      const values = Object.keys(component).filter((k) => k.startsWith('value') || k === 'dataAbsentReason');
      const code = codeToken(node(component, 'code'));
      if (values.length !== 1) bad('Observation.component', `${code} has ${values.length} values and reasons, not one`);
      if (code === codeToken(node(resource, 'code')))
        bad('Observation.component', `${code} is the code of the Observation`);
    }
  }
}

type Bad = (path: string, message: string) => void;
type Shapes = Readonly<Record<string, Shape>>;

function checkNode(value: Node, type: string, path: string, shapes: Shapes, bad: Bad): void {
  const shape = shapes[type];
  if (!shape) return bad(path, `is a ${type}, which is not written`);
  for (const [field, spec] of Object.entries(shape))
    if (spec.endsWith('!') && value[field] === undefined) bad(`${path}.${field}`, 'is missing');
  for (const [field, held] of Object.entries(value)) {
    if (field === 'resourceType' && path === type) continue;
    const spec = Object.hasOwn(shape, field) ? shape[field] : undefined;
    if (spec === undefined) bad(`${path}.${field}`, 'does not belong there');
    else checkField(held, spec.replace('!', ''), `${path}.${field}`, shapes, bad);
  }
}

function checkField(held: unknown, spec: string, path: string, shapes: Shapes, bad: Bad): void {
  if (!spec.endsWith('*')) return checkValue(held, spec, path, shapes, bad);
  if (!Array.isArray(held) || held.length === 0) return bad(path, 'is no list with something in it');
  for (const value of held) checkValue(value, spec.slice(0, -1), path, shapes, bad);
}

function checkValue(held: unknown, type: string, path: string, shapes: Shapes, bad: Bad): void {
  const right = primitives[type];
  if (right) {
    if (!right(held)) bad(path, `is no ${type}`);
    return;
  }
  if (!isNode(held) || Object.keys(held).length === 0) return bad(path, `is no ${type}`);
  const resource = type === 'Resource' ? String(held['resourceType']) : type;
  checkNode(held, resource, type === 'Resource' ? resource : path, shapes, bad);
}

const textLike = (pattern: RegExp) => (held: unknown) => typeof held === 'string' && pattern.test(held);
const whole = (least: number) => (held: unknown) =>
  Number.isInteger(held) && (held as number) >= least && (held as number) < 2 ** 31;
const date = String.raw`\d{4}(-(0[1-9]|1[0-2])(-(0[1-9]|[12]\d|3[01]))?)?`;
const day = String.raw`\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])`;
const clock = String.raw`T([01]\d|2[0-3]):[0-5]\d:([0-5]\d|60)(\.\d{1,9})?(Z|[+-]((0\d|1[0-3]):[0-5]\d|14:00))`;

/** Primitive types of FHIR (hl7.org/fhir/datatypes.html); `uid` is FHIR's `oid` and `id` for DICOM UIDs, without `urn:oid:`. */
const primitives: Readonly<Record<string, (held: unknown) => boolean>> = {
  boolean: (held) => typeof held === 'boolean',
  integer: whole(-(2 ** 31)),
  unsignedInt: whole(0),
  integer64: textLike(/^(0|-?[1-9]\d{0,18})$/),
  decimal: (held) => typeof held === 'number' && Number.isFinite(held),
  string: textLike(/\S/),
  code: textLike(/^\S+( \S+)*$/),
  uri: textLike(/^\S+$/),
  uid: isUid,
  base64Binary: (held) => typeof held === 'string' && isBase64(held),
  dateTime: textLike(new RegExp(`^(${date}|${day}${clock})$`)),
  instant: textLike(new RegExp(`^${day}${clock}$`)),
  xhtml: (held) => typeof held === 'string' && isNarrative(held),
};

/** Without one pattern over the whole: a page with pictures has megabytes. */
function isBase64(text: string): boolean {
  return text.length > 0 && text.length % 4 === 0 && !/[^A-Za-z0-9+/]/.test(text.replace(/={1,2}$/, ''));
}

/** One `div` in the XHTML name space, every element closed where it was opened. */
function isNarrative(div: string): boolean {
  if (!div.startsWith('<div xmlns="http://www.w3.org/1999/xhtml"')) return false;
  const open: string[] = [];
  let ended = false;
  for (const [tag, close, name] of div.matchAll(/<(\/?)([^\s/>]+)[^>]*>/g)) {
    if (ended) return false;
    if (tag.endsWith('/>')) continue;
    if (!close) open.push(name!);
    else if (open.pop() !== name) return false;
    ended = open.length === 0;
  }
  return ended;
}
