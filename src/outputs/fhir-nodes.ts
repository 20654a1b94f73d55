/** Reading JSON of either FHIR version without trusting its shape: what the gate checks may be anything. */
export interface Node {
  readonly [field: string]: unknown;
}

export const isNode = (value: unknown): value is Node =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

export function node(of: Node | undefined, field: string): Node | undefined {
  const value = of?.[field];
  return isNode(value) ? value : undefined;
}

export function list(of: Node | undefined, field: string): Node[] {
  const value = of?.[field];
  return Array.isArray(value) ? value.filter(isNode) : [];
}

export function str(of: Node | undefined, field: string): string {
  const value = of?.[field];
  return typeof value === 'string' ? value : '';
}

/** `system|code` of the first coding of a CodeableConcept. */
export function codeToken(concept: Node | undefined): string {
  const coding = list(concept, 'coding')[0];
  return coding ? `${str(coding, 'system')}|${str(coding, 'code')}` : '';
}

export interface Entry {
  readonly fullUrl: string;
  readonly type: string;
  readonly resource: Node;
  readonly request: Node | undefined;
}

export function entriesOf(bundle: unknown): Entry[] {
  return list(isNode(bundle) ? bundle : undefined, 'entry').map((e) => {
    const resource = node(e, 'resource') ?? {};
    return { fullUrl: str(e, 'fullUrl'), type: str(resource, 'resourceType'), resource, request: node(e, 'request') };
  });
}

/** Visit every object inside, with the name of the field that holds it. */
export function visit(value: unknown, see: (node: Node, field: string) => void, field = ''): void {
  if (Array.isArray(value)) value.forEach((v) => visit(v, see, field));
  if (!isNode(value)) return;
  see(value, field);
  for (const [k, v] of Object.entries(value)) visit(v, see, k);
}
