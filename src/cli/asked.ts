import { existsSync } from 'node:fs';
import { readdir, readFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Option, type Command } from 'commander';
import { PlumblineError, type Region, type SourceInstance } from '../base/index.ts';
import { attributesOf, number, text } from '../dicom/index.ts';
import { readRegion } from '../imaging/index.ts';
import type { Slots } from '../work/index.ts';

/** The options that say what is asked; the same for `run` and `ask`. */
export interface AskedOptions {
  readonly task?: string;
  readonly prompt?: string;
  readonly target?: string;
  /** `name=value`, any number; the same name again is another value of a list. */
  readonly slot?: readonly string[];
  /** `x,y,width,height`. */
  readonly box?: string;
  /** `UID` or `UID#frame`. */
  readonly image?: string;
  readonly regionFrom?: string;
}

const again = (value: string, before: readonly string[] = []): readonly string[] => [...before, value];

export function askedOptions(command: Command): Command {
  return command
    .addOption(new Option('--question <text>', 'the same as --prompt').conflicts('prompt'))
    .option(
      '--slot <name=value>',
      'a value for a slot of the prompt; again for another slot, or another question',
      again,
    )
    .option('--box <x,y,width,height>', 'ask about this box, in pixels of the stored image')
    .option('--image <uid[#frame]>', 'the image that the box is on (default: the only one)')
    .option(
      '--region-from <object#item>',
      'ask about a region of a SEG (segment number) or an SR (Tracking UID, or place from 1)',
    );
}

/** The prompt and its slots. @throws PlumblineError usage */
export function promptOptions(o: AskedOptions & { readonly question?: string }): {
  readonly prompt?: string;
  readonly slots?: Slots;
} {
  const prompt = o.prompt ?? o.question;
  const slots: Record<string, string | string[]> = o.target === undefined ? {} : { target: o.target };
  for (const given of o.slot ?? []) {
    const [, name, value] = /^([\p{L}\p{N}_]+)=(.+)$/u.exec(given) ?? [];
    if (name === undefined || value === undefined) throw usage(`--slot ${given}: write it as name=value`);
    const before = slots[name];
    slots[name] = before === undefined ? value : [before, value].flat();
  }
  return {
    ...(prompt === undefined ? {} : { prompt }),
    ...(Object.keys(slots).length === 0 ? {} : { slots }),
  };
}

/** `--box` as columns and rows. @throws PlumblineError usage */
export function boxOption({ box, image, regionFrom }: AskedOptions): BoxOption | undefined {
  if (box === undefined) {
    if (image !== undefined) throw usage('--image goes with --box');
    return undefined;
  }
  if (regionFrom !== undefined) throw usage('name one region: --box or --region-from');
  const numbers = box.split(',').map((n) => (/^\d{1,6}$/.test(n) ? Number(n) : NaN));
  const [x, y, width, height] = numbers as [number, number, number, number];
  if (numbers.length !== 4 || numbers.some(Number.isNaN) || width < 1 || height < 1)
    throw usage(`--box ${box}: write it as x,y,width,height in whole pixels`);
  const [uid, frame] = (image ?? '').split('#');
  return { box: [x, y, width, height], ...(uid && { image: uid }), ...(frame && { frame: Number(frame) }) };
}

export interface BoxOption {
  readonly box: readonly [x: number, y: number, width: number, height: number];
  readonly image?: string;
  readonly frame?: number;
}

/** `--region-from` as object and item. @throws PlumblineError usage */
export function fromOption({
  regionFrom,
}: AskedOptions): { readonly object: string; readonly item: string } | undefined {
  if (regionFrom === undefined) return undefined;
  const at = regionFrom.lastIndexOf('#');
  if (at < 1 || at === regionFrom.length - 1)
    throw usage(`--region-from ${regionFrom}: write it as FILE#ITEM, e.g. seg-1.dcm#2`);
  return { object: regionFrom.slice(0, at), item: regionFrom.slice(at + 1) };
}

/** The region that the command line names, on one of these images. @throws PlumblineError usage · region-invalid */
export async function regionAmong(
  options: AskedOptions,
  instances: readonly SourceInstance[],
): Promise<Region | undefined> {
  const given = boxOption(options);
  if (given) {
    const images = instances.filter((i) => number(i.attributes, 'Rows') !== undefined);
    const image = given.image ?? (images.length === 1 ? images[0]!.ref.instanceUid : undefined);
    if (image === undefined) throw usage(`the study has ${images.length} images: name the one of the box with --image`);
    const [x, y, width, height] = given.box;
    return {
      instanceUid: image,
      ...(given.frame === undefined ? {} : { frame: given.frame }),
      box: [x, y, x + width, y + height],
    };
  }
  const from = fromOption(options);
  if (!from) return undefined;
  const find = (uid: string): SourceInstance | undefined => instances.find((i) => i.ref.instanceUid === uid);
  return readRegion(new Uint8Array(await readFile(from.object)), from.item, {
    load: async (uid) => (await find(uid)?.load()) ?? besideOf(from.object, uid),
    sizeOf: async (uid) => {
      const attributes = find(uid)?.attributes;
      const [rows, columns] = ['Rows', 'Columns'].map((k) => attributes && number(attributes, k));
      return rows === undefined || columns === undefined ? undefined : { rows, columns };
    },
  });
}

/** Results lie in a folder together: the SEG that an SR names stands beside it. */
async function besideOf(object: string, uid: string): Promise<Uint8Array | undefined> {
  for (const name of await readdir(dirname(object))) {
    if (!name.endsWith('.dcm')) continue;
    const file = new Uint8Array(await readFile(join(dirname(object), name)));
    if (text(attributesOf(file), 'SOPInstanceUID') === uid) return file;
  }
  return undefined;
}

/** What can be wrong with the options by themselves is said before anything is read. @throws PlumblineError usage */
export function checkAsked(options: AskedOptions): void {
  promptOptions(options);
  boxOption(options);
  const from = fromOption(options);
  if (from && !existsSync(from.object)) throw usage(`--region-from: there is no file ${from.object}`);
}

function usage(message: string): PlumblineError {
  return new PlumblineError('usage', message);
}
