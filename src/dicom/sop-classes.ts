/** What the program needs to know of a storage SOP class (PS3.4 annex B, PS3.6 annex A). */
export interface SopClass {
  readonly name: string;
  /** Holds pixels that are a picture (no segmentation, parametric map or dose). */
  readonly image: boolean;
  /** Its IOD has the Multi-frame Module, so that references to it may name frames. */
  readonly multiFrame: boolean;
  /** The usual Modality (0008,0060); '' where any. */
  readonly modality: string;
}

/** UID to what is known of the class; a private or newer class is not in the table. */
export function sopClass(uid: string): SopClass | undefined {
  return sopClasses.get(uid);
}

/** Whether references to instances of the class may carry frame numbers. An unknown class counts as single-frame. */
export function isMultiFrameClass(uid: string): boolean {
  return sopClasses.get(uid)?.multiFrame ?? false;
}

/**
 * Whether the UID is of a class that is never stored as an instance: media directories, services and query models.
 * Private and unknown classes are storable.
 */
export function isNotStorable(uid: string): boolean {
  return notStorable.some((p) => uid === p || (p.endsWith('.') && uid.startsWith(p)));
}

const notStorable = [
  '1.2.840.10008.1.', // Verification, Media Storage Directory, Storage Commitment, transfer syntaxes
  '1.2.840.10008.3.1.2.', // Detached management, MPPS
  '1.2.840.10008.5.1.1.', // Print management
  '1.2.840.10008.5.1.4.1.2.', // Query/Retrieve models
  '1.2.840.10008.5.1.4.31', // Modality Worklist
  '1.2.840.10008.5.1.4.34.6.', // Unified Procedure Step
];

const storage = '1.2.840.10008.5.1.4.1.1.';

// Suffix, modality, name with "Storage" left out; the list decides what the class is.
const singleFrameImages = `
1 CR Computed Radiography Image
1.1 DX Digital X-Ray Image - For Presentation
1.1.1 DX Digital X-Ray Image - For Processing
1.2 MG Digital Mammography X-Ray Image - For Presentation
1.2.1 MG Digital Mammography X-Ray Image - For Processing
1.3 IO Digital Intra-Oral X-Ray Image - For Presentation
1.3.1 IO Digital Intra-Oral X-Ray Image - For Processing
2 CT CT Image
4 MR MR Image
5 NM Nuclear Medicine Image (retired)
6 US Ultrasound Image (retired)
6.1 US Ultrasound Image
7 - Secondary Capture Image
12.3 XA X-Ray Angiographic Bi-Plane Image (retired)
77.1.1 ES VL Endoscopic Image
77.1.2 GM VL Microscopic Image
77.1.3 SM VL Slide-Coordinates Microscopic Image
77.1.4 XC VL Photographic Image
77.1.7 DMS Dermoscopic Photography Image
81.1 OPM Ophthalmic Thickness Map
82.1 OPM Corneal Topography Map
128 PT Positron Emission Tomography Image
481.23 RTIMAGE Enhanced RT Image
601.1 - Eddy Current Image`;

const multiFrameImages = `
2.1 CT Enhanced CT Image
2.2 CT Legacy Converted Enhanced CT Image
3 US Ultrasound Multi-frame Image (retired)
3.1 US Ultrasound Multi-frame Image
4.1 MR Enhanced MR Image
4.3 MR Enhanced MR Color Image
4.4 MR Legacy Converted Enhanced MR Image
6.2 US Enhanced US Volume
6.3 PA Photoacoustic Image
7.1 - Multi-frame Single Bit Secondary Capture Image
7.2 - Multi-frame Grayscale Byte Secondary Capture Image
7.3 - Multi-frame Grayscale Word Secondary Capture Image
7.4 - Multi-frame True Color Secondary Capture Image
12.1 XA X-Ray Angiographic Image
12.1.1 XA Enhanced XA Image
12.2 RF X-Ray Radiofluoroscopic Image
12.2.1 RF Enhanced XRF Image
13.1.1 XA X-Ray 3D Angiographic Image
13.1.2 CT X-Ray 3D Craniofacial Image
13.1.3 MG Breast Tomosynthesis Image
13.1.4 MG Breast Projection X-Ray Image - For Presentation
13.1.5 MG Breast Projection X-Ray Image - For Processing
14.1 IVOCT Intravascular Optical Coherence Tomography Image - For Presentation
14.2 IVOCT Intravascular Optical Coherence Tomography Image - For Processing
20 NM Nuclear Medicine Image
77.1.1.1 ES Video Endoscopic Image
77.1.2.1 GM Video Microscopic Image
77.1.4.1 XC Video Photographic Image
77.1.5.1 OP Ophthalmic Photography 8 Bit Image
77.1.5.2 OP Ophthalmic Photography 16 Bit Image
77.1.5.4 OPT Ophthalmic Tomography Image
77.1.5.5 OP Wide Field Ophthalmic Photography Stereographic Projection Image
77.1.5.6 OP Wide Field Ophthalmic Photography 3D Coordinates Image
77.1.5.7 OPT Ophthalmic Optical Coherence Tomography En Face Image
77.1.6 SM VL Whole Slide Microscopy Image
77.1.8 CFM Confocal Microscopy Image
77.1.9 CFM Confocal Microscopy Tiled Pyramidal Image
128.1 PT Legacy Converted Enhanced PET Image
130 PT Enhanced PET Image
481.1 RTIMAGE RT Image
481.24 RTIMAGE Enhanced Continuous RT Image
601.2 - Eddy Current Multi-frame Image`;

const multiFrameOthers = `
30 OT Parametric Map
66.4 SEG Segmentation
66.7 SEG Label Map Segmentation
66.8 SEG Height Map Segmentation
77.1.5.8 OPT Ophthalmic Optical Coherence Tomography B-scan Volume Analysis
481.2 RTDOSE RT Dose`;

const others = `
4.2 MR MR Spectroscopy
9.1.1 ECG 12-lead ECG Waveform
9.1.2 ECG General ECG Waveform
9.1.3 ECG Ambulatory ECG Waveform
9.1.4 ECG General 32-bit ECG Waveform
9.2.1 HD Hemodynamic Waveform
9.3.1 EPS Cardiac Electrophysiology Waveform
9.4.1 AU Basic Voice Audio Waveform
9.4.2 AU General Audio Waveform
9.5.1 HD Arterial Pulse Waveform
9.6.1 RESP Respiratory Waveform
9.6.2 RESP Multi-channel Respiratory Waveform
9.7.1 EEG Routine Scalp Electroencephalogram Waveform
9.7.2 EMG Electromyogram Waveform
9.7.3 EOG Electrooculogram Waveform
9.7.4 EEG Sleep Electroencephalogram Waveform
9.8.1 POS Body Position Waveform
11.1 PR Grayscale Softcopy Presentation State
11.2 PR Color Softcopy Presentation State
11.3 PR Pseudo-Color Softcopy Presentation State
11.4 PR Blending Softcopy Presentation State
11.5 PR XA/XRF Grayscale Softcopy Presentation State
11.6 PR Grayscale Planar MPR Volumetric Presentation State
11.7 PR Compositing Planar MPR Volumetric Presentation State
11.8 PR Advanced Blending Presentation State
11.9 PR Volume Rendering Volumetric Presentation State
11.10 PR Segmented Volume Rendering Volumetric Presentation State
11.11 PR Multiple Volume Rendering Volumetric Presentation State
11.12 PR Variable Modality LUT Softcopy Presentation State
66 - Raw Data
66.1 REG Spatial Registration
66.2 FID Spatial Fiducials
66.3 REG Deformable Spatial Registration
66.5 SEG Surface Segmentation
66.6 - Tractography Results
67 RWV Real World Value Mapping
68.1 M3D Surface Scan Mesh
68.2 M3D Surface Scan Point Cloud
77.1.5.3 OP Stereometric Relationship
78.1 LEN Lensometry Measurements
78.2 AR Autorefraction Measurements
78.3 KER Keratometry Measurements
78.4 SRF Subjective Refraction Measurements
78.5 VA Visual Acuity Measurements
78.6 - Spectacle Prescription Report
78.7 OAM Ophthalmic Axial Measurements
78.8 IOL Intraocular Lens Calculations
79.1 OPR Macular Grid Thickness and Volume Report
80.1 OPV Ophthalmic Visual Field Static Perimetry Measurements
88.11 SR Basic Text SR
88.22 SR Enhanced SR
88.33 SR Comprehensive SR
88.34 SR Comprehensive 3D SR
88.35 SR Extensible SR
88.40 - Procedure Log
88.50 SR Mammography CAD SR
88.59 KO Key Object Selection Document
88.65 SR Chest CAD SR
88.67 SR X-Ray Radiation Dose SR
88.68 SR Radiopharmaceutical Radiation Dose SR
88.69 SR Colon CAD SR
88.70 SR Implantation Plan SR
88.71 SR Acquisition Context SR
88.72 SR Simplified Adult Echo SR
88.73 SR Patient Radiation Dose SR
88.74 SR Planned Imaging Agent Administration SR
88.75 SR Performed Imaging Agent Administration SR
88.76 SR Enhanced X-Ray Radiation Dose SR
88.77 SR Waveform Annotation SR
90.1 ASMT Content Assessment Results
91.1 ANN Microscopy Bulk Simple Annotations
104.1 DOC Encapsulated PDF
104.2 DOC Encapsulated CDA
104.3 M3D Encapsulated STL
104.4 M3D Encapsulated OBJ
104.5 M3D Encapsulated MTL
131 - Basic Structured Display
200.1 - CT Defined Procedure Protocol
200.2 - CT Performed Procedure Protocol
200.3 - Protocol Approval
200.7 - XA Defined Procedure Protocol
200.8 - XA Performed Procedure Protocol
481.3 RTSTRUCT RT Structure Set
481.4 RTRECORD RT Beams Treatment Record
481.5 RTPLAN RT Plan
481.6 RTRECORD RT Brachy Treatment Record
481.7 RTRECORD RT Treatment Summary Record
481.8 RTPLAN RT Ion Plan
481.9 RTRECORD RT Ion Beams Treatment Record
481.10 RTINTENT RT Physician Intent
481.11 RTSEGANN RT Segment Annotation
481.12 RTRAD RT Radiation Set
481.13 RTRAD C-Arm Photon-Electron Radiation
481.14 RTRAD Tomotherapeutic Radiation
481.15 RTRAD Robotic-Arm Radiation
481.16 RTRECORD RT Radiation Record Set
481.17 RTRECORD RT Radiation Salvage Record
481.18 RTRECORD Tomotherapeutic Radiation Record
481.19 RTRECORD C-Arm Photon-Electron Radiation Record
481.20 RTRECORD Robotic Radiation Record
481.25 - RT Patient Position Acquisition Instruction`;

/** All classes of the table, by UID. */
export const sopClasses: ReadonlyMap<string, SopClass> = new Map([
  ...rows(singleFrameImages, { image: true, multiFrame: false }),
  ...rows(multiFrameImages, { image: true, multiFrame: true }),
  ...rows(multiFrameOthers, { image: false, multiFrame: true }),
  ...rows(others, { image: false, multiFrame: false }),
]);

function rows(list: string, kind: Pick<SopClass, 'image' | 'multiFrame'>): [string, SopClass][] {
  return list
    .trim()
    .split('\n')
    .map((line) => {
      const [suffix = '', modality = '', ...words] = line.split(' ');
      const name = words.join(' ').replace(/^(.*?)( - .*| \(retired\))?$/, '$1 Storage$2');
      return [storage + suffix, { name, modality: modality === '-' ? '' : modality, ...kind }];
    });
}
