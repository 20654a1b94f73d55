// The floors of the house (CONTRIBUTING.md): an arrow may only point down, and another room is entered by its index.ts.
const floors = {
  base: [],
  access: ['base'],
  dicom: ['base'],
  fhir: ['base'],
  hl7: ['base'],
  store: ['base'],
  audit: ['base', 'store'],
  dimse: ['base', 'access', 'dicom'],
  imaging: ['base', 'dicom'],
  inference: ['base'],
  findings: ['base', 'dicom'],
  outputs: ['base', 'dicom', 'fhir', 'hl7', 'findings'],
  studies: ['base', 'audit', 'dicom', 'store'],
  work: ['base', 'audit', 'dicom', 'fhir', 'hl7', 'store', 'imaging', 'inference', 'findings', 'outputs', 'studies'],
  doors: ['base', 'audit', 'access', 'dicom', 'fhir', 'hl7', 'store', 'studies', 'work', 'dimse'],
  delivery: ['base', 'audit', 'access', 'dicom', 'fhir', 'hl7', 'store', 'studies', 'work', 'dimse'],
  web: ['base', 'audit', 'access', 'dicom', 'fhir', 'hl7', 'store', 'imaging', 'inference', 'findings', 'outputs', 'studies', 'work'],
  server: ['base', 'audit', 'access', 'dicom', 'fhir', 'hl7', 'store', 'imaging', 'inference', 'findings', 'outputs', 'studies', 'work', 'doors', 'delivery', 'web', 'dimse'],
  cli: ['base', 'audit', 'access', 'dicom', 'fhir', 'hl7', 'store', 'imaging', 'inference', 'findings', 'outputs', 'studies', 'work', 'doors', 'delivery', 'web', 'server', 'dimse'],
};
const rooms = Object.keys(floors);

module.exports = {
  forbidden: [
    { name: 'no-circular', severity: 'error', from: {}, to: { circular: true } },
    { name: 'no-unresolved', severity: 'error', from: {}, to: { couldNotResolve: true } },
    ...rooms.map((room) => ({
      name: `floor-of-${room}`,
      comment: `${room} may import: ${floors[room].join(', ') || 'nothing'}`,
      severity: 'error',
      from: { path: `^src/${room}/` },
      to: { path: '^src/', pathNot: `^src/(${[room, ...floors[room]].join('|')})/` },
    })),
    ...rooms.map((room) => ({
      name: `front-door-of-${room}`,
      comment: 'another room is entered by its index.ts',
      severity: 'error',
      from: { path: '^src/', pathNot: `^src/${room}/` },
      to: { path: `^src/${room}/`, pathNot: room === 'doors' ? '^src/doors/[^/]+/index\\.ts$' : `^src/${room}/index\\.ts$` },
    })),
  ],
  options: {
    tsPreCompilationDeps: true,
    tsConfig: { fileName: 'tsconfig.json' },
    doNotFollow: { path: 'node_modules' },
    includeOnly: '^src/',
  },
};
