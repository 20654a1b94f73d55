-- What an operator asks for. Times are milliseconds since 1970 UTC.

-- What happened to a delivery: equal tries in a row are one line with their number, so that a peer that is away for
-- days does not fill the store.
CREATE TABLE delivery_events (
  delivery INTEGER NOT NULL,
  number INTEGER NOT NULL,
  at BIGINT NOT NULL,
  last_at BIGINT NOT NULL,
  times INTEGER NOT NULL,
  -- delivered | failed | held | dead | superseded | tried-again
  event TEXT NOT NULL,
  code TEXT NOT NULL,
  message TEXT NOT NULL,
  who TEXT NOT NULL,
  PRIMARY KEY (delivery, number)
);

CREATE INDEX delivery_study ON delivery (study);

-- What is open is few among what was delivered.
CREATE INDEX delivery_state ON delivery (state, destination);

-- Whether anything still refers to a blob.
CREATE INDEX instances_digest ON instances (digest);
