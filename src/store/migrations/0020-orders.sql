-- Orders and what else an HL7 v2 sender says. Times are milliseconds since 1970 UTC.

-- Each message that was answered, by SHA-256 of MSH-3, MSH-4 and MSH-10: the same again gets the same answer.
CREATE TABLE hl7_messages (
  key TEXT PRIMARY KEY,
  -- over the message without MSH-7, which a sender renews when it repeats
  body_digest TEXT NOT NULL,
  sender TEXT NOT NULL,
  type TEXT NOT NULL,
  -- accepted | refused; what was refused may come again corrected
  state TEXT NOT NULL,
  -- JSON list: the bytes of each answer, one character a byte
  answers TEXT NOT NULL,
  raw BYTEA NOT NULL,
  received_at BIGINT NOT NULL
);
CREATE INDEX hl7_messages_age ON hl7_messages (received_at);

-- One row for what is asked: a procedure (OBR), or a step of it (IPC).
CREATE TABLE orders (
  id INTEGER PRIMARY KEY,
  sender TEXT NOT NULL,
  placer TEXT NOT NULL,
  filler TEXT NOT NULL,
  accession TEXT NOT NULL,
  study_uid TEXT NOT NULL,
  requested_procedure TEXT NOT NULL,
  step TEXT NOT NULL,
  patient_id TEXT NOT NULL,
  -- namespace and universal id of the assigning authority; either may be empty
  issuer TEXT NOT NULL,
  issuer_oid TEXT NOT NULL,
  -- ISO 8601 as exact as it came, '' where unknown
  birth_date TEXT NOT NULL,
  sex TEXT NOT NULL,
  procedure_code TEXT NOT NULL,
  procedure_text TEXT NOT NULL,
  procedure_scheme TEXT NOT NULL,
  modality TEXT NOT NULL,
  -- 0 STAT, 1 high, 2 medium, 3 low
  priority INTEGER NOT NULL,
  -- open | held | cancelled
  state TEXT NOT NULL,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL
);
CREATE INDEX orders_placer ON orders (placer);
CREATE INDEX orders_filler ON orders (filler);
CREATE INDEX orders_accession ON orders (accession);
CREATE INDEX orders_study ON orders (study_uid);
CREATE INDEX orders_patient ON orders (patient_id);

-- Merges: the patient of an old number is the one of the new number.
CREATE TABLE patient_links (
  prior_id TEXT NOT NULL,
  prior_issuer TEXT NOT NULL,
  patient_id TEXT NOT NULL,
  issuer TEXT NOT NULL,
  at BIGINT NOT NULL,
  PRIMARY KEY (prior_id, prior_issuer)
);

-- What an order means for work that exists, until whoever does it has done it.
CREATE TABLE order_effects (
  id INTEGER PRIMARY KEY,
  study_uid TEXT NOT NULL,
  -- urgent | cancelled | held
  kind TEXT NOT NULL,
  priority INTEGER NOT NULL,
  reason TEXT NOT NULL,
  handled INTEGER NOT NULL DEFAULT 0
);
CREATE INDEX order_effects_open ON order_effects (handled, id);

-- 1 after a person said that the study belongs to its order all the same
ALTER TABLE studies ADD COLUMN order_released INTEGER NOT NULL DEFAULT 0;
