-- Workitems: one (study, task, bundle) to be done. Times are milliseconds since 1970 UTC.

CREATE TABLE workitems (
  key TEXT PRIMARY KEY,
  study_uid TEXT NOT NULL,
  -- the frozen list of the study, and the digest of the part of it that the route reads
  snapshot_digest TEXT NOT NULL,
  input_digest TEXT NOT NULL,
  patient_id TEXT NOT NULL,
  issuer TEXT NOT NULL,
  task TEXT NOT NULL,
  bundle TEXT NOT NULL,
  bundle_digest TEXT NOT NULL,
  -- digest of (study, task, prompt, bundle, destinations): what a later reading may replace
  question TEXT NOT NULL,
  route TEXT NOT NULL,
  -- 0 STAT, 1 high, 2 medium, 3 low
  priority INTEGER NOT NULL,
  -- waiting | ready | claimed | drafted | delivered | held | failed | cancelled
  state TEXT NOT NULL,
  -- addresses of what each stage has written
  answered TEXT,
  draft TEXT,
  masks TEXT,
  encodings TEXT,
  fence BIGINT NOT NULL DEFAULT 0,
  lease_until BIGINT,
  worker TEXT,
  -- claims since the last stage that ended well
  attempts INTEGER NOT NULL DEFAULT 0,
  not_before BIGINT NOT NULL,
  code TEXT,
  message TEXT,
  remedy TEXT,
  -- 0 with us, 1 being given to delivery, 2 given
  handover INTEGER NOT NULL DEFAULT 0,
  replaces TEXT,
  superseded_by TEXT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX workitems_next ON workitems (state, not_before, priority, created_at);
CREATE INDEX workitems_study ON workitems (study_uid);
CREATE INDEX workitems_question ON workitems (question);

-- Only ever appended to: the life of a workitem.
CREATE TABLE work_events (
  key TEXT NOT NULL REFERENCES workitems (key),
  number INTEGER NOT NULL,
  at BIGINT NOT NULL,
  event TEXT NOT NULL,
  detail TEXT NOT NULL,
  PRIMARY KEY (key, number)
);
