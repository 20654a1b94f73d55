import type { DicomJson, Window, WindowRule } from '../base/index.ts';
import { text } from '../dicom/index.ts';
import type { FrameGroups } from './frame-groups.ts';
import { hasOwnWindow, type GreyWindow } from './grey.ts';
import { suvPerUnit } from './suv.ts';

/** Windows on the Hounsfield scale, as reading rooms name them. */
const ctWindows = {
  'ct-brain': { centre: 40, width: 80 },
  'ct-neck': { centre: 50, width: 250 },
  'ct-lung': { centre: -600, width: 1500 },
  'ct-mediastinum': { centre: 50, width: 350 },
  'ct-abdomen': { centre: 40, width: 400 },
  'ct-spine': { centre: 50, width: 250 },
  'ct-bone': { centre: 400, width: 1800 },
} as const satisfies Readonly<Record<string, Window>>;
type CtWindow = keyof typeof ctWindows;

/** Body Part Examined (PS3.16 Annex L) to the window of its soft parts; a part that is bone first has that of bone. */
const byBodyPart: Readonly<Record<CtWindow, string>> = {
  'ct-brain': 'BRAIN HEAD',
  'ct-neck': 'NECK HEADNECK LARYNX THYROID',
  'ct-lung': 'LUNG BRONCHUS',
  'ct-mediastinum': 'CHEST HEART MEDIASTINUM THORAX CHESTABDOMEN',
  'ct-abdomen': 'ABDOMEN ABDOMENPELVIS PELVIS LIVER KIDNEY PANCREAS SPLEEN BLADDER COLON CHESTABDPELVIS WHOLEBODY',
  'ct-spine': 'SPINE CSPINE TSPINE LSPINE SSPINE COCCYX',
  'ct-bone':
    'SKULL JAW MAXILLA MANDIBLE SHOULDER CLAVICLE ARM ELBOW FOREARM WRIST HAND HIP LEG THIGH KNEE ANKLE FOOT EXTREMITY',
};
const partWindow = new Map(
  (Object.keys(byBodyPart) as CtWindow[]).flatMap((name) => byBodyPart[name].split(' ').map((part) => [part, name])),
);
const ctElsewhere: CtWindow = 'ct-abdomen';
/** Upper end of the scale on which uptake is shown, g/ml. */
const suvMost = 10;

/**
 * The window of one frame by a rule; `undefined` stands for what the image says of itself, else its full range or percentiles.
 *
 * A window on the Hounsfield scale holds whatever the image says; `ct-body-part` is the one of Body Part Examined; `pt-suv`
 * shows uptake by body weight from 0 to 10; `image` is what the image says of itself. `modality`, the default, is `image`,
 * but for CT without a window of its own `ct-body-part`, and for PET `pt-suv`: the window of a PET slice is often that
 * slice's own. A rule for another modality, or without what it needs (HU, dose and times), is `image`.
 * @param rule of the route or the bundle; a window in numbers holds as it stands
 * @param modality Modality (0008,0060) of the series
 * @param frame 0-based
 */
export function ruledWindow(
  rule: Window | WindowRule,
  modality: string,
  ds: DicomJson,
  groups: FrameGroups,
  frame: number,
): GreyWindow | undefined {
  if (typeof rule === 'object') return rule;
  const ofCt = modality === 'CT' && groups.holder(frame, 'PixelValueTransformationSequence', 'RescaleSlope');
  switch (rule) {
    case 'image':
      return undefined;
    case 'modality':
      if (modality === 'PT') return suvWindow(ds);
      return ofCt && !hasOwnWindow(ds, groups, frame) ? ofBodyPart(ds) : undefined;
    case 'pt-suv':
      return modality === 'PT' ? suvWindow(ds) : undefined;
    case 'ct-body-part':
      return ofCt ? ofBodyPart(ds) : undefined;
    default:
      return ofCt ? ctWindow(rule) : undefined;
  }
}

function ctWindow(name: CtWindow): GreyWindow {
  return { ...ctWindows[name], shape: 'LINEAR', said: name };
}

function ofBodyPart(ds: DicomJson): GreyWindow {
  const part = text(ds, 'BodyPartExamined')
    .toUpperCase()
    .replace(/[^A-Z]/g, '');
  return ctWindow(partWindow.get(part) ?? ctElsewhere);
}

function suvWindow(ds: DicomJson): GreyWindow | undefined {
  const perUnit = suvPerUnit(ds);
  if (perUnit === undefined) return undefined;
  const width = suvMost / perUnit;
  return { centre: width / 2, width, shape: 'LINEAR_EXACT', said: `SUVbw 0 to ${suvMost}` };
}
