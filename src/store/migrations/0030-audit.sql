-- Who did what with data of patients. Only ever appended to: nothing of the program changes or removes a row, and each
-- holds the digest of itself and of the one before, so that a change shows. Times are milliseconds since 1970 UTC.

CREATE TABLE audit_events (
  number BIGINT PRIMARY KEY,
  at BIGINT NOT NULL,
  study_uid TEXT NOT NULL,
  -- JSON with sorted keys
  event TEXT NOT NULL,
  digest TEXT NOT NULL
);
CREATE INDEX audit_events_study ON audit_events (study_uid, number);
CREATE INDEX audit_events_at ON audit_events (at);
