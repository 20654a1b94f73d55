-- Times are milliseconds since 1970 UTC.
-- One row a (workitem, destination): its own state, so that one destination never waits for another.
CREATE TABLE delivery (
  id INTEGER PRIMARY KEY,
  workitem TEXT NOT NULL,
  study TEXT NOT NULL,
  destination TEXT NOT NULL,
  state TEXT NOT NULL CHECK (state IN ('waiting', 'sending', 'delivered', 'held', 'dead', 'superseded')),
  attempts INTEGER NOT NULL,
  next_at BIGINT NOT NULL,
  code TEXT,
  message TEXT,
  created_at BIGINT NOT NULL,
  updated_at BIGINT NOT NULL,
  UNIQUE (workitem, destination)
);
CREATE INDEX delivery_due ON delivery (destination, state, next_at);
