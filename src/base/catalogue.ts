/**
 * What happens next, decided nowhere else:
 * `reject` the sender's fault, answered in its protocol · `hold` a person must look · `retry` peer or resource trouble,
 * tried again later · `bug` ours.
 */
export type ErrorClass = 'reject' | 'hold' | 'retry' | 'bug';

export interface CatalogueEntry {
  readonly class: ErrorClass;
  /** What happened. */
  readonly cause: string;
  /** What to do. */
  readonly remedy: string;
}

/** Every error code of the program. docs/errors.md is printed from here (`npm run docs`), and a test compares them. */
export const catalogue = {
  // — the program itself —
  internal: {
    class: 'bug',
    cause: 'A defect in Plumbline.',
    remedy: 'Keep the log lines around it and file a report; the work stays and can be tried again.',
  },
  usage: {
    class: 'reject',
    cause: 'The command line could not be understood.',
    remedy: 'Run the command with --help.',
  },
  'config-invalid': {
    class: 'reject',
    cause: 'A configuration file breaks its schema.',
    remedy: 'Correct the place that the message names; docs/configuration.md lists every key.',
  },
  'config-missing': {
    class: 'reject',
    cause: 'A file that the configuration names is not there.',
    remedy: 'Create it, or correct the path.',
  },
  'routes-invalid': {
    class: 'reject',
    cause: 'The routes file breaks its schema.',
    remedy: 'Correct the place that the message names; mappings/routes.schema.json is the rule.',
  },
  'mappings-invalid': {
    class: 'reject',
    cause: 'A mapping file breaks its schema, or names a code that is not verified.',
    remedy: 'Correct the entry that the message names.',
  },
  'listen-refused': {
    class: 'reject',
    cause: 'The server would listen beyond this machine without authentication or without TLS.',
    remedy:
      'Bind to 127.0.0.1; or set http.tls and access.oidc or access.certificates (docs/security.md); or, behind a proxy that has both, http.trustedNetwork.',
  },
  'address-in-use': {
    class: 'reject',
    cause: 'Another program listens on the port.',
    remedy: 'Choose another port, or stop the other program.',
  },

  // — who may come in, where we may go —
  unauthenticated: {
    class: 'reject',
    cause: 'The request brings no token or certificate, or one that does not hold.',
    remedy:
      'Bring a bearer token of the configured provider, or a client certificate that is listed; docs/security.md.',
  },
  forbidden: {
    class: 'reject',
    cause: 'Who asks is known but may not do this.',
    remedy: 'Ask the site for the role or scope that the answer names.',
  },
  'rate-limited': {
    class: 'reject',
    cause: 'Too many requests of one identity, or failed authentications from one address, in a minute.',
    remedy: 'Wait for the time in Retry-After; access.requestsPerMinute and access.failuresPerMinute are the limits.',
  },
  'identity-provider-unreachable': {
    class: 'retry',
    cause: 'Tokens cannot be checked because the OpenID provider does not give its keys.',
    remedy: 'Bring the provider back, or correct access.oidc; `plumbline check` asks it.',
  },
  'outbound-refused': {
    class: 'hold',
    cause: 'A configured name or address leads to a link-local or metadata address, where no peer of a hospital is.',
    remedy: 'Correct the address or its DNS entry; if it is meant, set outbound.allowLinkLocal.',
  },

  'audit-behind': {
    class: 'retry',
    cause: 'Reads wait, because those before could not be recorded: the disk is full or the database is locked.',
    remedy: 'Look at disk and log; reading goes on by itself when the audit events are written.',
  },
  'audit-damaged': {
    class: 'hold',
    cause: 'A row of the audit events is missing or was changed after it was written.',
    remedy:
      'Keep the data folder as it is and compare it with a backup: somebody or something wrote into the database.',
  },

  // — DICOM files —
  'not-dicom': {
    class: 'reject',
    cause: 'The bytes are no DICOM Part 10 file.',
    remedy: 'Send a Part 10 file: 128 bytes, DICM, group 2.',
  },
  'dicom-damaged': {
    class: 'reject',
    cause: 'The data set is cut or its lengths contradict each other.',
    remedy: 'Send it again from the source; compare its size there.',
  },
  'inflated-too-large': {
    class: 'reject',
    cause: 'A data set in Deflated Explicit VR Little Endian has more than 128 MiB; it can only be read as a whole.',
    remedy: 'Send it in another transfer syntax, e.g. Explicit VR Little Endian, which is taken at any size.',
  },
  'transfer-syntax-unknown': {
    class: 'reject',
    cause: 'The transfer syntax is none that Plumbline can read.',
    remedy: 'Send in one of the transfer syntaxes of conformance/dicom.md.',
  },
  'uid-missing': {
    class: 'reject',
    cause: 'Study, Series or SOP Instance UID, or the SOP Class UID, is missing or no legal UID.',
    remedy: 'Correct the object at its source.',
  },
  'class-mismatch': {
    class: 'reject',
    cause: 'Group 2 names another SOP class than the data set.',
    remedy: 'Correct the object at its source.',
  },
  'class-not-storable': {
    class: 'reject',
    cause: 'Objects of this SOP class are not stored.',
    remedy: 'Send composite instances only.',
  },
  'instance-conflict': {
    class: 'reject',
    cause: 'Another object with the same SOP Instance UID is already stored.',
    remedy: 'Give the new object a new UID, or remove the stored study first.',
  },
  'study-mismatch': {
    class: 'reject',
    cause: 'The instance belongs to another study than the request names.',
    remedy: 'Send it to its own study, or to /studies.',
  },
  'charset-undecodable': {
    class: 'hold',
    cause: 'Text does not decode in its declared Specific Character Set.',
    remedy: 'Correct (0008,0005) or the text at the source and send again.',
  },

  // — STOW-RS and DICOMweb —
  'multipart-invalid': {
    class: 'reject',
    cause: 'The body is no well-formed multipart/related.',
    remedy: 'Check boundary and line ends; PS3.18 8.6.1.',
  },
  'media-type-unsupported': {
    class: 'reject',
    cause: 'The content type is not multipart/related of application/dicom, or that of a question not application/json.',
    remedy: 'Send Content-Type: multipart/related; type="application/dicom"; boundary=…, or application/json.',
  },
  'body-too-large': {
    class: 'reject',
    cause: 'A part, its header, or the request is larger than the configured limit.',
    remedy: 'Send fewer or smaller parts, or raise stow.maxPartBytes or stow.maxRequestBytes.',
  },
  'sender-slow': {
    class: 'reject',
    cause: 'The sender stopped sending, or sends too slowly to ever end.',
    remedy: 'Send again; raise stow.idleSeconds on very slow lines.',
  },
  'sender-gone': {
    class: 'reject',
    cause: 'The sender closed the connection before its request was complete.',
    remedy: 'Send again; nothing of it was kept.',
  },
  busy: {
    class: 'retry',
    cause: 'The store is short of space or too much work waits.',
    remedy: 'Send again after the time in Retry-After.',
  },
  'association-invalid': {
    class: 'reject',
    cause: 'The peer broke the rules of a DICOM association (PS3.8): a PDU of a wrong type, length or order.',
    remedy: 'Nothing but DICOM should speak to this port; if the peer is a DICOM device, report it to its maker.',
  },
  'association-refused': {
    class: 'reject',
    cause:
      'An association was rejected: an AE title, or the address of the caller, is not one that the listener takes.',
    remedy: 'Correct the AE titles at the sender, or add the sender to dimse.listeners[].callers.',
  },
  'instance-mismatch': {
    class: 'reject',
    cause: 'The SOP Instance UID of the C-STORE command is not that of the data set.',
    remedy: 'Correct the sender: it would take another object than it sent for stored.',
  },
  'not-found': {
    class: 'reject',
    cause: 'No such study, series, instance, frame or workitem.',
    remedy: 'Check the UID.',
  },
  'query-invalid': {
    class: 'reject',
    cause: 'A query parameter, or the body of a question, is not understood.',
    remedy: 'See PS3.18 8.3.4 and conformance/dicomweb.md; of a question docs/api.md.',
  },
  'not-acceptable': {
    class: 'reject',
    cause: 'None of the accepted media types can be given.',
    remedy: 'Accept one of the types that the message lists.',
  },

  // — imaging —
  'pixel-decode': {
    class: 'hold',
    cause: 'A frame could not be decoded.',
    remedy: 'Send the image again, or in another transfer syntax.',
  },
  'pixel-decode-timeout': {
    class: 'hold',
    cause: 'A frame took longer to decode than allowed.',
    remedy: 'Look at the file; raise imaging.decodeSeconds if it is sound.',
  },
  'pixel-description': {
    class: 'hold',
    cause: 'Rows, Columns, bits, photometric interpretation or frame count contradict the pixel data.',
    remedy: 'Correct the object at its source.',
  },
  geometry: {
    class: 'hold',
    cause: 'The slices do not make one readable stack.',
    remedy: 'See the named instances; send the missing or correct ones.',
  },
  'nothing-to-read': {
    class: 'hold',
    cause: 'No image of the study can be read by this route.',
    remedy: 'See the reason for each image in summary.json or `plumbline explain`.',
  },
  'burned-in': {
    class: 'hold',
    cause: 'The image says that it carries burned-in annotation.',
    remedy: 'Release it by hand, or allow it in the route (policy.burnedIn).',
  },
  unsuitable: {
    class: 'hold',
    cause: 'The picture is blank, noise, or otherwise nothing that a model can answer about.',
    remedy: 'Look at the picture; nothing is lost.',
  },

  'picture-invalid': {
    class: 'reject',
    cause: 'A picture file is no PNG or JPEG that can be read.',
    remedy: 'Save it again as an 8-bit RGB or grey PNG; the others were read.',
  },
  'target-unknown': {
    class: 'reject',
    cause: 'The bundle does not know the thing that shall be segmented.',
    remedy: 'Name one that the message lists; `plumbline run --list-targets` shows all.',
  },

  // — bundles and runtimes —
  'bundle-invalid': {
    class: 'reject',
    cause: 'A model bundle breaks its contract.',
    remedy: 'Build or copy the bundle again; docs/bundles.md lists what is checked.',
  },
  'bundle-licence': {
    class: 'reject',
    cause: 'The licence of a bundle is none of those that the site allows.',
    remedy: 'Add it to inference.licences where the site may use it, or name another bundle.',
  },
  'bundle-unknown': {
    class: 'reject',
    cause: 'No bundle of that name is installed.',
    remedy: 'Put it under models/, or name another.',
  },
  'task-unknown': {
    class: 'reject',
    cause: 'The bundle does not know the task, or a slot of its prompt is not filled.',
    remedy: 'Name one of the tasks that the message lists.',
  },
  'region-invalid': {
    class: 'reject',
    cause: 'The region lies on no image that is read here, reaches out of it, or its shape cannot be read.',
    remedy: 'Give a box within the image that is named, or a segment or region of an object of the same study.',
  },
  'provider-missing': {
    class: 'retry',
    cause: 'The execution provider is not there.',
    remedy: 'Install it (docs/gpu.md), or allow the fall-back to cpu.',
  },
  'model-timeout': {
    class: 'retry',
    cause: 'The model did not answer in time and was stopped.',
    remedy: 'It is tried once more, then held; raise inference.seconds on slow machines.',
  },
  'model-crashed': {
    class: 'retry',
    cause: 'The model process ended.',
    remedy: 'It is tried once more, then held; see the exit reason.',
  },
  'prompt-invalid': {
    class: 'reject',
    cause: 'The prompt is empty, or holds a control token of the bundle.',
    remedy: 'Ask in plain words, without the markup of the model.',
  },
  'runtime-closed': {
    class: 'retry',
    cause: 'The model was stopped while it worked, because the program ends.',
    remedy: 'Nothing: the work is done after the next start.',
  },
  'prompt-too-long': {
    class: 'reject',
    cause: 'The prompt has more tokens than the bundle takes.',
    remedy: 'Shorten it.',
  },

  // — drafts and encodings —
  'draft-invalid': {
    class: 'bug',
    cause: 'A draft breaks its own schema.',
    remedy: 'File a report; nothing was sent.',
  },
  inconsistent: {
    class: 'hold',
    cause: 'The encodings of a draft do not say the same, so nothing was sent.',
    remedy: 'See the named checks; file a report.',
  },
  'encoding-invalid': {
    class: 'bug',
    cause: 'An encoding would break the rules of its format.',
    remedy: 'File a report; nothing was sent.',
  },
  'text-unencodable': {
    class: 'hold',
    cause: 'A text holds characters that the format cannot carry.',
    remedy: 'Look at the sentence; edit it or the source.',
  },

  // — studies and work —
  'patient-contradiction': {
    class: 'hold',
    cause: 'Instances of one study name different patients.',
    remedy: 'Correct the study at its source; release with a reason only if they are the same person.',
  },
  'no-route': {
    class: 'hold',
    cause: 'No rule of the routes file matches the study.',
    remedy: '`plumbline explain STUDY` says why for each rule.',
  },
  'late-instances': {
    class: 'hold',
    cause: 'Instances arrived after the study was read, and the route says never to read it again.',
    remedy: 'Send the study to another route, or run it by hand.',
  },
  'fence-lost': {
    class: 'retry',
    cause: 'Another worker has taken the workitem over.',
    remedy: 'Nothing: the other worker goes on.',
  },
  'store-locked': {
    class: 'retry',
    cause: 'The database is locked by another process.',
    remedy: 'Stop the other process, or wait.',
  },
  'store-version': {
    class: 'reject',
    cause: 'The database was written by another version of Plumbline.',
    remedy: 'Start the version that wrote it, or a newer one; never edit a migration that has run.',
  },
  'worker-lost': {
    class: 'hold',
    cause: 'The process that worked on the workitem ended in the middle, several times.',
    remedy: 'Look at the log of that time (memory, disk), then `plumbline jobs retry`.',
  },
  'store-damaged': {
    class: 'hold',
    cause: 'A blob does not have the content that its address says.',
    remedy: 'Restore it from a backup; check the disk.',
  },
  'disk-full': {
    class: 'retry',
    cause: 'Free space is under the reserve.',
    remedy: 'Free space; doors open again by themselves.',
  },

  'folder-not-empty': {
    class: 'reject',
    cause: 'A backup or a restore would write into a folder that holds something.',
    remedy: 'Name a folder that is empty or not there; nothing is ever overwritten.',
  },
  'backup-invalid': {
    class: 'reject',
    cause: 'A folder is no complete backup, or something in it is not as it was written.',
    remedy: 'Use another backup; the message names what is wrong. Nothing was left in the data folder.',
  },

  // — delivery —
  'peer-unreachable': {
    class: 'retry',
    cause: 'The destination does not answer.',
    remedy: 'Nothing: it is tried again with growing pauses.',
  },
  'peer-busy': {
    class: 'retry',
    cause: 'The destination says that it is busy (408, 429, 5xx).',
    remedy: 'Nothing: it is tried again when it asks for it.',
  },
  'peer-refused': {
    class: 'reject',
    cause: 'The destination refuses the object.',
    remedy: "Read the peer's words in the dead letter; correct, then `plumbline dead-letters retry`.",
  },
  'peer-unauthorized': {
    class: 'hold',
    cause: 'The destination does not accept our credentials.',
    remedy: 'Correct them, then `plumbline dead-letters retry --destination NAME`.',
  },
  'peer-answer-invalid': {
    class: 'retry',
    cause: 'The destination answered something that is not its protocol.',
    remedy: 'Check the address; a login page or a proxy may answer in its place.',
  },
  'read-back-differs': {
    class: 'hold',
    cause: 'What the destination holds is not what was sent.',
    remedy: 'Compare both; the message names what differs.',
  },
  'uid-conflict': {
    class: 'hold',
    cause: 'The destination already holds another object under our UID.',
    remedy: 'Look at both objects; never overwritten.',
  },
  superseded: {
    class: 'hold',
    cause: 'A person has already signed or changed the report at the destination.',
    remedy: 'Nothing is sent; the draft stays here.',
  },
  'peer-edited': {
    class: 'hold',
    cause: 'Somebody has changed at the FHIR server what was written there as a preliminary result.',
    remedy: 'Look at both versions. To send ours all the same, delete that resource there and retry the delivery.',
  },
  'patient-unknown': {
    class: 'hold',
    cause: 'The FHIR server does not know the patient, or knows several.',
    remedy: 'Register the patient there, then release.',
  },

  // — HL7 v2 and orders —
  'hl7-invalid': {
    class: 'reject',
    cause: 'The bytes are no HL7 v2 message.',
    remedy: 'Send a message that begins with MSH and names its delimiters.',
  },
  'hl7-charset': {
    class: 'reject',
    cause: 'The bytes of an HL7 v2 message do not decode in the character set of MSH-18.',
    remedy: 'Correct MSH-18 or the bytes at the sender, or name the set in hl7.listeners[].charset.',
  },
  'hl7-refused': {
    class: 'reject',
    cause: 'An HL7 v2 message lacks a field, or asks for something that is not done here.',
    remedy: 'The answer (ERR) names the place; correct it at the sender.',
  },
  'order-patient': {
    class: 'hold',
    cause: 'The order of the study names another patient than its images.',
    remedy: 'Correct order or images; release with a reason only if they are the same person.',
  },
  'order-demographics': {
    class: 'hold',
    cause: 'Birth date or sex in the order differ from those in the images.',
    remedy: 'Correct order or images; release with a reason only if they are the same person.',
  },
  'order-accession': {
    class: 'hold',
    cause: 'The order with the Study Instance UID has another accession number than the images.',
    remedy: 'Correct order or images, or release with a reason.',
  },
  'order-ambiguous': {
    class: 'hold',
    cause: 'Several orders have the accession number of the study, and none is plainly meant.',
    remedy: 'Send the Study Instance UID with the order, or release with a reason.',
  },
  'order-held': {
    class: 'hold',
    cause: 'The order of the study is on hold at its sender.',
    remedy: 'It goes on when the sender releases the order (ORC-1 RL), or release with a reason.',
  },
  'results-old-number': {
    class: 'hold',
    cause: 'The number of the patient was merged into another, and results have gone out, or go out, under the old one.',
    remedy: 'See that the receivers have the results under the new number; then release with a reason.',
  },
  'order-cancelled': {
    class: 'hold',
    cause: 'The order of the study was cancelled.',
    remedy: 'Nothing, unless the study shall be read all the same: then release with a reason.',
  },
} as const satisfies Record<string, CatalogueEntry>;

export type ErrorCode = keyof typeof catalogue;
