import type { Request } from 'express';
import { isUid, PlumblineError } from '../../base/index.ts';
import type { StoredInstance, Studies } from '../../studies/index.ts';

/**
 * The instances that a path /studies/{study}[/series/{series}[/instances/{instance}]] names.
 * @throws PlumblineError not-found, also where the instance is of another study or series than the path says
 */
export async function namedInstances(studies: Studies, req: Request): Promise<readonly StoredInstance[]> {
  const { study, series, instance } = req.params as Readonly<Record<string, string | undefined>>;
  if (![study, series ?? '1.2', instance ?? '1.2'].every(isUid)) throw notFound();
  const found = instance === undefined ? await studies.instances(study!, series) : await one(studies, instance);
  const within = found.filter(
    ({ ref }) => ref.studyUid === study && (series === undefined || ref.seriesUid === series),
  );
  if (within.length === 0) throw notFound();
  return within;
}

export async function namedInstance(studies: Studies, req: Request): Promise<StoredInstance> {
  return (await namedInstances(studies, req))[0]!;
}

async function one(studies: Studies, instanceUid: string): Promise<StoredInstance[]> {
  const found = await studies.instance(instanceUid);
  return found ? [found] : [];
}

/** Path of an instance below the service root. */
export function pathOf({ ref }: StoredInstance): string {
  return `/studies/${ref.studyUid}/series/${ref.seriesUid}/instances/${ref.instanceUid}`;
}

function notFound(): PlumblineError {
  return new PlumblineError('not-found', 'no such study, series or instance');
}
