import type { DicomJson } from '../base/index.ts';
import { items, number, text, texts } from '../dicom/index.ts';

/**
 * What one Bq/ml (or what `Units` says) of a PET image is in standardised uptake by body weight, g/ml: pixel value after
 * rescale times this is SUVbw. Undefined where the image does not say all of it: a guessed uptake is worse than none.
 *
 * The straight part of the vendor-neutral rule of QIBA (FDG-PET/CT profile, SUV body weight): attenuation and decay are
 * corrected; BQML with Decay Correction ADMIN takes the dose as given, with START the dose as it had decayed when the
 * series began. A series whose time is later than its acquisition is a reconstruction of its own and gives none.
 * GML is uptake already where SUV Type does not say of another kind (PS3.3 C.8.9.1, C.8.9.4).
 */
export function suvPerUnit(ds: DicomJson): number | undefined {
  const corrected = new Set(texts(ds, 'CorrectedImage'));
  if (!corrected.has('ATTN') || !corrected.has('DECY')) return undefined;
  const units = text(ds, 'Units');
  if (units === 'GML') return ['', 'BW'].includes(text(ds, 'SUVType')) ? 1 : undefined;
  const dose = units === 'BQML' ? doseAtScan(ds) : undefined;
  const weightKg = number(ds, 'PatientWeight') ?? 0;
  return dose !== undefined && dose > 0 && weightKg > 0 ? (weightKg * 1000) / dose : undefined;
}

/** Bq at the time to which the pixels are corrected. */
function doseAtScan(ds: DicomJson): number | undefined {
  const tracers = items(ds, 'RadiopharmaceuticalInformationSequence');
  const [tracer] = tracers;
  const dose = tracer && number(tracer, 'RadionuclideTotalDose');
  const halfLife = tracer && number(tracer, 'RadionuclideHalfLife');
  if (tracers.length !== 1 || dose === undefined || !halfLife) return undefined;
  const correctedTo = text(ds, 'DecayCorrection');
  if (correctedTo === 'ADMIN') return dose;
  const given = startOf(tracer, ds);
  const scanned = seconds(text(ds, 'SeriesDate'), text(ds, 'SeriesTime'));
  const acquired = seconds(text(ds, 'AcquisitionDate'), text(ds, 'AcquisitionTime'));
  if (correctedTo !== 'START' || given === undefined || scanned === undefined || acquired === undefined)
    return undefined;
  if (scanned > acquired || scanned < given) return undefined;
  return dose * 2 ** (-(scanned - given) / halfLife);
}

function startOf(tracer: DicomJson, ds: DicomJson): number | undefined {
  const whole = text(tracer, 'RadiopharmaceuticalStartDateTime');
  if (whole) return seconds(whole.slice(0, 8), whole.slice(8).replace(/[+-]\d{4}$/, ''));
  return seconds(text(ds, 'SeriesDate'), text(tracer, 'RadiopharmaceuticalStartTime'));
}

/** DA and TM as seconds of one clock; only differences mean something. */
function seconds(date: string, time: string): number | undefined {
  const day = /^(\d{4})(\d{2})(\d{2})$/.exec(date);
  const clock = /^(\d{2})(\d{2})?(\d{2}(?:\.\d{1,6})?)?$/.exec(time.trim());
  if (!day || !clock) return undefined;
  const midnight = Date.UTC(Number(day[1]), Number(day[2]) - 1, Number(day[3])) / 1000;
  return midnight + Number(clock[1]) * 3600 + Number(clock[2] ?? 0) * 60 + Number(clock[3] ?? 0);
}
