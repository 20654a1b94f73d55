-- Under which version a FHIR server keeps what was last written there: what a person changes in between is noticed.
CREATE TABLE delivery_versions (
  destination TEXT NOT NULL,
  -- Type/id at the server
  place TEXT NOT NULL,
  version TEXT NOT NULL,
  -- milliseconds since 1970 UTC
  written_at BIGINT NOT NULL,
  PRIMARY KEY (destination, place)
);
