/**
 * The nouns that several rooms share, so that no two rooms of one floor need to know each other.
 * Everything here is plain data: no behaviour, no library types.
 */

/** x, y, z in millimetres (or unit vector) in the patient system of PS3.3 C.7.6.2.1.1: +x left, +y posterior, +z head. */
export type Vec3 = readonly [number, number, number];

/** One element of the DICOM JSON Model (PS3.18 Annex F). Text is already decoded to Unicode. */
export interface DicomElement {
  readonly vr: string;
  /** PN values are `{Alphabetic, Ideographic?, Phonetic?}`, SQ values are nested `DicomJson`, AT values 8 hex digits. */
  readonly Value?: readonly unknown[];
  /** Base64 of the little-endian bytes. */
  readonly InlineBinary?: string;
  readonly BulkDataURI?: string;
}
/** A data set in the DICOM JSON Model: 8 upper-case hex digits to element. Never holds pixel data in this program. */
export type DicomJson = { readonly [tag: string]: DicomElement };

/** One received or written instance, as a door hands it to `studies`. */
export interface InstanceRef {
  readonly studyUid: string;
  readonly seriesUid: string;
  readonly instanceUid: string;
  readonly sopClass: string;
  readonly transferSyntax: string;
  /** SHA-256 (hex) of the whole Part 10 file; its address in `Blobs`. */
  readonly digest: string;
  /** SHA-256 (hex) over transfer syntax UID, one zero byte, and the data set bytes after group 2: equal by whichever door it came. */
  readonly dataDigest: string;
  readonly bytes: number;
}

/** What floor 2 reads of one instance: attributes at once, bytes (the whole Part 10 file) on demand. */
export interface SourceInstance {
  readonly ref: InstanceRef;
  /** The whole data set without pixel data; values longer than 4 KiB are left out unless palette or LUT data. */
  readonly attributes: DicomJson;
  readonly load: () => Promise<Uint8Array>;
}

/** How the pixel grid lies in space. */
export type Placement =
  | {
      readonly kind: 'patient';
      readonly frameOfReferenceUid: string;
      readonly positionReferenceIndicator?: string;
      /** Unit vector along which the column index grows (first three values of Image Orientation (Patient)). */
      readonly rowCosines: Vec3;
      /** Unit vector along which the row index grows (last three values). */
      readonly columnCosines: Vec3;
      /** rowCosines x columnCosines. */
      readonly normal: Vec3;
      /** Centre of the first transmitted pixel of each plane, mm; planes are in order of growing dot(position, normal). */
      readonly positions: readonly Vec3[];
    }
  | {
      /** Whole-slide total pixel matrix (PS3.3 C.8.12.4); the grid is the matrix and has one plane. */
      readonly kind: 'slide';
      readonly frameOfReferenceUid?: string;
      readonly positionReferenceIndicator?: string;
      /** Image Orientation (Slide). */
      readonly rowCosines: Vec3;
      readonly columnCosines: Vec3;
      /** X, Y, Z offset of the total pixel matrix in the slide coordinate system, mm. */
      readonly origin: Vec3;
      readonly tileRows: number;
      readonly tileColumns: number;
      /** Source frame (1-based) and the 0-based matrix row and column of its first pixel. */
      readonly tiles: readonly { readonly frame: number; readonly row: number; readonly column: number }[];
    }
  | {
      /** A pixel grid of its own: no frame of reference (radiographs, photographs, cine). */
      readonly kind: 'none';
      /** Patient Orientation (0020,0020): direction of growing column, of growing row, e.g. ['L','F']. */
      readonly patientOrientation?: readonly [string, string];
    };

/** Whether a pixel has a size in the patient, and from where that is known. */
export type Spacing =
  | {
      readonly kind: 'physical';
      /** Distance between rows (first value of Pixel Spacing), mm. */
      readonly rowMm: number;
      /** Distance between columns, mm. */
      readonly columnMm: number;
      /** e.g. `PixelSpacing`, `PixelSpacing, calibrated GEOMETRY`, `ImagerPixelSpacing / EstimatedRadiographicMagnificationFactor`. */
      readonly source: string;
      /** Where it holds, if not everywhere (one ultrasound region): 0-based inclusive source pixel bounds. */
      readonly within?: { readonly x0: number; readonly y0: number; readonly x1: number; readonly y1: number };
    }
  | { readonly kind: 'none'; readonly why: string };

/** Source geometry of one stack: planes that share rows, columns, orientation and spacing. */
export interface Grid {
  readonly rows: number;
  readonly columns: number;
  readonly planes: number;
  readonly placement: Placement;
  readonly spacing: Spacing;
  /** For `patient` stacks of more than one plane. */
  readonly depth?: {
    /** Median distance between neighbouring planes along the normal, mm. */
    readonly spacingMm: number;
    /** False if a distance differs from the median by more than 1 %. */
    readonly regular: boolean;
    /** Slices shift sideways (gantry tilt): volume still is area x distance along the normal. */
    readonly tilted: boolean;
    /** Thickness that a plane stands for when volumes are summed (midpoint rule), mm, one per plane. */
    readonly thicknessMm: readonly number[];
    /** Planes seem to be missing: volumes are marked partial. */
    readonly missing: boolean;
  };
  /** Slice Thickness (0018,0050) of the source, mm. */
  readonly sliceThicknessMm?: number;
}

/** Where one plane of a stack comes from. */
export interface Plane {
  readonly instanceUid: string;
  readonly sopClass: string;
  /** Frame number, 1-based; present only if the source SOP class is multi-frame. Absent for a `slide` (tiles carry it). */
  readonly frame?: number;
}

/** Planes of one series that are read together. */
export interface Stack {
  /** `k1`, `k2`, … in reading order. */
  readonly id: string;
  readonly seriesUid: string;
  readonly modality: string;
  /** `volume`: neighbours touch in space. `planes`: each plane (image, cine frame) stands alone. */
  readonly kind: 'volume' | 'planes';
  readonly grid: Grid;
  readonly planes: readonly Plane[];
}

/** Something a person should know about; codes are listed in docs/warnings.md. */
export interface Notice {
  readonly code: string;
  readonly message: string;
  /** SOP Instance or Series Instance UIDs, sentence ids or mask ids it is about. */
  readonly about?: readonly string[];
}

/** An image that was not read, and why. */
export interface PassedOver {
  readonly seriesUid: string;
  readonly instanceUid: string;
  /** e.g. `localizer`, `dose-page`, `own-result`, `presentation-state`, `not-an-image`, `blank`, `mixed-orientation`. */
  readonly code: string;
  readonly reason: string;
}

/** Picture pixel (x, y) to source pixel: column = a*x + c*y + e, row = b*x + d*y + f. An exact flip or transpose; of a picture that is made smaller for people, that times a whole number. */
export interface Affine {
  readonly a: number;
  readonly b: number;
  readonly c: number;
  readonly d: number;
  readonly e: number;
  readonly f: number;
}

/** What a model looks at: one 8-bit RGB picture of one plane, in display orientation. */
export interface Picture {
  readonly stack: string;
  /** 0-based index into the stack's planes. */
  readonly plane: number;
  readonly width: number;
  readonly height: number;
  /** [height, width, 3], row-major. */
  readonly rgb: Uint8Array;
  readonly toSource: Affine;
  /** How grey values were made, for people: `W 400 C 40`, `full range`, `colour`. */
  readonly window: string;
  /** Where it shows a part of its plane only; `toSource` then leads to that part. */
  readonly part?: PicturePart;
}

/** A part of a plane that the model looks at by itself: a tile of a slide. */
export interface PicturePart {
  /** 0-based first row and column on the plane. */
  readonly row: number;
  readonly column: number;
  /** The pixels that it speaks for, in picture pixels, end exclusive: parts overlap, their cores do not. */
  readonly core: { readonly x0: number; readonly y0: number; readonly x1: number; readonly y1: number };
}

/** A mask on a picture, bit-packed: bit i of the row-major pixels is byte i>>3, bit i&7. */
export interface PictureMask {
  readonly width: number;
  readonly height: number;
  readonly bits: Uint8Array;
  /** Predicted IoU or like score of the model, 0..1; uncalibrated. */
  readonly score?: number;
}

/** What a runtime returns for one picture. */
export interface Answer {
  readonly stack: string;
  readonly plane: number;
  /** First row and column of the part that the picture showed, where it showed a part. */
  readonly part?: { readonly row: number; readonly column: number };
  readonly task: string;
  readonly prompt: string;
  /** What was put into the first slot of the prompt. */
  readonly slot?: string;
  /** With its markup (`<p>`, `[SEG]`), without stop tokens. */
  readonly text: string;
  readonly tokenIds: readonly number[];
  /** `limit`: cut by max_new_tokens. */
  readonly stop: 'end' | 'limit';
  /** The k-th is the mask of the k-th `[SEG]`; null where generation was cut before its state existed. */
  readonly masks: readonly (PictureMask | null)[];
  /** Of each claim that the answer does not show itself, what was found for it. Absent where nothing was looked for. */
  readonly second?: readonly SecondMask[];
  readonly timingsMs: Readonly<Record<string, number>>;
}

/** The mask of something that an answer claims, from a second question about the same picture. */
export interface SecondMask {
  /** 0-based place of the sentence in the answer, and the claim's words in it (UTF-16 offsets, end exclusive). */
  readonly sentence: number;
  readonly start: number;
  readonly end: number;
  /** `model`: it was asked to show this. `region`: the claim is about the region that the question was about. */
  readonly by: 'model' | 'region';
  /** What the model said to that, with its markup. */
  readonly text: string;
  /** Null where it showed nothing. */
  readonly mask: PictureMask | null;
}

/** A part of one image that somebody asks about. */
export interface Region {
  readonly instanceUid: string;
  /** 1-based, of a multi-frame image. */
  readonly frame?: number;
  /** 0-based source pixels: columns x0 to x1 and rows y0 to y1, ends exclusive. */
  readonly box: readonly [x0: number, y0: number, x1: number, y1: number];
  /** Its shape on the source grid, where that is more than the box: bit-packed rows as `PictureMask`, deflated, in base64. */
  readonly mask?: string;
  /** The object that it comes from: a segment of a SEG, or an item of an SR by its tracking UID or its place. */
  readonly from?: { readonly instanceUid: string; readonly segment?: number; readonly item?: string };
}

/** A coded concept. `scheme` is a DICOM coding scheme designator: SCT, DCM, UCUM, UMLS, 99PLUMBLINE … */
export interface Code {
  readonly value: string;
  readonly scheme: string;
  readonly meaning: string;
}

/** One plane of a mask on the source grid, bit-packed as `PictureMask`, rows x columns of the grid. */
export interface MaskPlane {
  readonly plane: number;
  readonly bits: Uint8Array;
}
/** Mask id to its non-empty planes in growing order. */
export type MaskSet = ReadonlyMap<string, readonly MaskPlane[]>;

/** What stands in the model's name in every encoding. */
export interface BundleRef {
  readonly name: string;
  readonly version: string;
  /** SHA-256 (hex) of manifest.json, which holds the digests of all other files. */
  readonly digest: string;
  readonly licence: string;
  readonly intendedUse: string;
}

/** The installation that writes. */
export interface Site {
  /** Base of identifier systems, e.g. `https://hospital.example/plumbline`. */
  readonly idBase: string;
  /** Device Serial Number of this installation. */
  readonly installationId: string;
  readonly organization: string;
  /** Where a person can open the study, `{study}` `{series}` `{instance}` replaced. */
  readonly viewerUrl?: string;
  /** Service root of the DICOMweb server that will hold the SEG. */
  readonly dicomwebUrl?: string;
  readonly gatewayVersion: string;
}
