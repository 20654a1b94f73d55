-- Studies, their instances, and what the gate knows. Times are milliseconds since 1970 UTC.

CREATE TABLE studies (
  study_uid TEXT PRIMARY KEY,
  -- arriving | ready | held
  state TEXT NOT NULL,
  hold_code TEXT,
  hold_message TEXT,
  -- 1 after a person said that contradicting identities are one person
  identity_released INTEGER NOT NULL DEFAULT 0,
  first_at BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  received INTEGER NOT NULL DEFAULT 0,
  own INTEGER NOT NULL DEFAULT 0,
  -- while arriving: when the gate looks, and when it waits no longer
  due_at BIGINT,
  deadline_at BIGINT
);
CREATE INDEX studies_due ON studies (state, due_at);
CREATE INDEX studies_newest ON studies (last_at);

-- How many instances an order or a header announced; it may come before the study.
CREATE TABLE expected_counts (
  study_uid TEXT PRIMARY KEY,
  instances INTEGER NOT NULL
);

-- Every identity that received instances of a study name: more than one is a contradiction, and all are kept for showing.
CREATE TABLE study_identities (
  study_uid TEXT NOT NULL REFERENCES studies (study_uid),
  patient_id TEXT NOT NULL,
  issuer TEXT NOT NULL,
  instances INTEGER NOT NULL,
  PRIMARY KEY (study_uid, patient_id, issuer)
);

CREATE TABLE instances (
  instance_uid TEXT PRIMARY KEY,
  study_uid TEXT NOT NULL REFERENCES studies (study_uid),
  series_uid TEXT NOT NULL,
  sop_class TEXT NOT NULL,
  transfer_syntax TEXT NOT NULL,
  digest TEXT NOT NULL,
  data_digest TEXT NOT NULL,
  bytes BIGINT NOT NULL,
  -- received | own
  origin TEXT NOT NULL,
  door TEXT NOT NULL,
  sender TEXT NOT NULL,
  received_at BIGINT NOT NULL,
  -- for matching without opening the summary; names are folded (studies/names.ts)
  modality TEXT NOT NULL,
  patient_id TEXT NOT NULL,
  issuer TEXT NOT NULL,
  accession TEXT NOT NULL,
  study_date TEXT NOT NULL,
  name_alphabetic TEXT NOT NULL,
  name_ideographic TEXT NOT NULL,
  name_phonetic TEXT NOT NULL,
  summary TEXT NOT NULL
);
CREATE INDEX instances_study ON instances (study_uid, series_uid);
CREATE INDEX instances_series ON instances (series_uid);
CREATE INDEX instances_patient ON instances (patient_id);
CREATE INDEX instances_accession ON instances (accession);
CREATE INDEX instances_date ON instances (study_date);

-- What was read: lists of SOP Instance UIDs that never change again.
CREATE TABLE snapshots (
  study_uid TEXT NOT NULL REFERENCES studies (study_uid),
  input_digest TEXT NOT NULL,
  made_at BIGINT NOT NULL,
  instance_uids TEXT NOT NULL,
  -- 0 until whoever waits for ready studies has taken it over
  handled INTEGER NOT NULL,
  PRIMARY KEY (study_uid, input_digest)
);
CREATE INDEX snapshots_unhandled ON snapshots (handled, made_at);

-- Only ever appended to: what happened to a study, and who did it.
CREATE TABLE study_events (
  study_uid TEXT NOT NULL,
  number INTEGER NOT NULL,
  at BIGINT NOT NULL,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  who TEXT NOT NULL,
  PRIMARY KEY (study_uid, number)
);
