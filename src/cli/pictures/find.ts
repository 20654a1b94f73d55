import { existsSync, readFileSync } from 'node:fs';
import { isAbsolute, join, relative, sep } from 'node:path';
import { PlumblineError, schemaProblems } from '../../base/index.ts';
import { filesBelow } from '../scan.ts';

/** Picture files of a folder. */
export interface PictureFiles {
  readonly pictures: readonly PictureFile[];
  /** Files that are no picture by their name, or a mask of one. */
  readonly otherFiles: number;
}

export interface PictureFile {
  readonly path: string;
  /** From the folder on, with `/`. */
  readonly source: string;
  /** Folder of its results: `source` without its ending, or with it where two files differ in nothing else. */
  readonly name: string;
}

/**
 * The pictures of a folder in a stable order: those that its `index.json` lists (`items[].image`), in its order; else
 * every PNG and JPEG below it by path, without masks (`X.mask.png`, `X.inst.png`) that lie beside a picture X.
 * @throws PlumblineError `usage` where the folder cannot be read or the index is none
 */
export async function findPictures(folder: string): Promise<PictureFiles> {
  const index = join(folder, 'index.json');
  const files = await filesBelow(folder);
  const listed = existsSync(index) ? indexed(index) : undefined;
  if (listed) {
    const named = listed.map((image) => ({ path: join(folder, image), source: image }));
    return { pictures: withNames(named), otherFiles: files.length - named.length };
  }
  const all = files.map((path) => ({ path, source: relative(folder, path).split(sep).join('/') }));
  const pictures = all.filter(({ source }) => ending.test(source));
  const bare = new Set(pictures.map(({ source }) => source.replace(ending, '')));
  const own = pictures.filter(({ source }) => {
    const of = /^(.*)\.(mask|inst)\.png$/i.exec(source)?.[1];
    return of === undefined || !bare.has(of);
  });
  return { pictures: withNames(own), otherFiles: files.length - own.length };
}

const ending = /\.(png|jpe?g)$/i;

const indexSchema = {
  type: 'object',
  required: ['items'],
  properties: {
    items: {
      type: 'array',
      items: { type: 'object', required: ['image'], properties: { image: { type: 'string', minLength: 1 } } },
    },
  },
} as const;

function indexed(file: string): string[] {
  let value: unknown;
  try {
    value = JSON.parse(readFileSync(file, 'utf8'));
  } catch (cause) {
    throw new PlumblineError('usage', `index.json is no JSON: ${(cause as Error).message}`, { where: file, cause });
  }
  const [problem] = schemaProblems(indexSchema, value);
  if (problem) throw new PlumblineError('usage', `index.json${problem.path}: ${problem.message}`, { where: file });
  const images = (value as { items: readonly { image: string }[] }).items.map(({ image }) => image);
  const outside = images.find((image) => isAbsolute(image) || image.split(/[/\\]/).includes('..'));
  if (outside !== undefined)
    throw new PlumblineError('usage', `index.json names "${outside}", which lies outside the folder`, { where: file });
  return images;
}

function withNames(files: readonly Omit<PictureFile, 'name'>[]): PictureFile[] {
  const bare = (source: string): string => source.replace(ending, '');
  const counts = new Map<string, number>();
  for (const { source } of files) counts.set(bare(source), (counts.get(bare(source)) ?? 0) + 1);
  return files.map((f) => ({ ...f, name: counts.get(bare(f.source)) === 1 ? bare(f.source) : f.source }));
}
