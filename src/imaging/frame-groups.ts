import type { DicomJson } from '../base/index.ts';
import { items, number, tagOf } from '../dicom/index.ts';

/**
 * Where the attributes of single frames of one instance are found: in the frame's own functional groups, else in the
 * shared ones, else at the top level (PS3.3 C.7.6.16).
 */
export interface FrameGroups {
  readonly frames: number;
  /** Item of a functional group sequence for a 0-based frame; `undefined` where neither group has it. */
  readonly group: (frame: number, sequence: string) => DicomJson | undefined;
  /** The item that holds `keyword`: of `sequence` for the frame, else the data set itself where it has it. */
  readonly holder: (frame: number, sequence: string, keyword: string) => DicomJson | undefined;
}

export function frameGroups(ds: DicomJson): FrameGroups {
  const shared = items(ds, 'SharedFunctionalGroupsSequence')[0];
  const perFrame = items(ds, 'PerFrameFunctionalGroupsSequence');
  const group = (frame: number, sequence: string): DicomJson | undefined => {
    const own = perFrame[frame];
    return (own && items(own, sequence)[0]) ?? (shared && items(shared, sequence)[0]);
  };
  const holder = (frame: number, sequence: string, keyword: string): DicomJson | undefined => {
    const tag = tagOf(keyword);
    const item = group(frame, sequence);
    if (item?.[tag]) return item;
    return ds[tag] ? ds : undefined;
  };
  return { frames: number(ds, 'NumberOfFrames') ?? 1, group, holder };
}
