CREATE TABLE cases (
  case_id SERIAL NOT NULL,
  unit_id VARCHAR(63) NOT NULL,
  event_id VARCHAR(36) NOT NULL,
  reference VARCHAR(32) NOT NULL,
  state VARCHAR(24) NOT NULL,
  kind VARCHAR(32) NOT NULL,
  plate VARCHAR(10) NOT NULL,
  occurred_at TIMESTAMP WITH TIME ZONE NOT NULL,
  reported_at TIMESTAMP WITH TIME ZONE NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  changed_at TIMESTAMP WITH TIME ZONE NOT NULL,
  next_at TIMESTAMP WITH TIME ZONE,
  reasons TEXT NOT NULL,
  approved BOOLEAN NOT NULL,
  tries INTEGER NOT NULL,
  deadline TIMESTAMP WITH TIME ZONE,
  media_id VARCHAR(255),
  media_at TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (case_id),
  UNIQUE (unit_id, event_id),
  UNIQUE (reference)
);
CREATE INDEX cases_by_age ON cases (state, occurred_at);
CREATE INDEX cases_due ON cases (state, next_at);
CREATE TABLE counter (
  name VARCHAR(80) NOT NULL,
  value INTEGER NOT NULL,
  PRIMARY KEY (name)
);
CREATE TABLE evidence (
  unit_id VARCHAR(63) NOT NULL,
  event_id VARCHAR(36) NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  role VARCHAR(16) NOT NULL,
  media_type VARCHAR(32) NOT NULL,
  size_bytes INTEGER NOT NULL,
  path VARCHAR(255) NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (unit_id, event_id, sha256)
);
CREATE TABLE lookup (
  lookup_id SERIAL NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  case_id INTEGER NOT NULL,
  purpose VARCHAR(32) NOT NULL,
  outcome VARCHAR(16) NOT NULL,
  snapshot_id INTEGER,
  PRIMARY KEY (lookup_id)
);
CREATE TABLE owner_snapshot (
  snapshot_id SERIAL NOT NULL,
  state VARCHAR(16) NOT NULL,
  imported_at TIMESTAMP WITH TIME ZONE NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  good_rows INTEGER NOT NULL,
  bad_rows INTEGER NOT NULL,
  PRIMARY KEY (snapshot_id)
);
CREATE TABLE pause (
  scope VARCHAR(80) NOT NULL,
  since TIMESTAMP WITH TIME ZONE NOT NULL,
  code INTEGER NOT NULL,
  PRIMARY KEY (scope)
);
CREATE TABLE quarantine (
  quarantine_id SERIAL NOT NULL,
  unit_id VARCHAR(63) NOT NULL,
  event_id VARCHAR(36) NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  body BYTEA NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (quarantine_id),
  UNIQUE (unit_id, event_id, sha256)
);
CREATE TABLE schema_version (
  version INTEGER NOT NULL
);
CREATE TABLE unit_event (
  unit_id VARCHAR(63) NOT NULL,
  event_id VARCHAR(36) NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  sequence INTEGER NOT NULL,
  body BYTEA NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  PRIMARY KEY (unit_id, event_id)
);
CREATE TABLE unit_status (
  unit_id VARCHAR(63) NOT NULL,
  online BOOLEAN NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  seen_at TIMESTAMP WITH TIME ZONE NOT NULL,
  software VARCHAR(64) NOT NULL,
  backlog INTEGER NOT NULL,
  dead INTEGER NOT NULL,
  PRIMARY KEY (unit_id)
);
CREATE TABLE webhook_inbox (
  call_id SERIAL NOT NULL,
  sha256 VARCHAR(64) NOT NULL,
  body BYTEA NOT NULL,
  received_at TIMESTAMP WITH TIME ZONE NOT NULL,
  done_at TIMESTAMP WITH TIME ZONE,
  remark TEXT NOT NULL,
  PRIMARY KEY (call_id),
  UNIQUE (sha256)
);
CREATE INDEX ix_webhook_inbox_done_at ON webhook_inbox (done_at);
CREATE TABLE attempt (
  attempt_id VARCHAR(40) NOT NULL,
  case_id INTEGER NOT NULL,
  state VARCHAR(16) NOT NULL,
  started_at TIMESTAMP WITH TIME ZONE NOT NULL,
  ended_at TIMESTAMP WITH TIME ZONE,
  wamid VARCHAR(255),
  code INTEGER,
  PRIMARY KEY (attempt_id),
  FOREIGN KEY(case_id) REFERENCES cases (case_id),
  UNIQUE (wamid)
);
CREATE INDEX ix_attempt_case_id ON attempt (case_id);
CREATE INDEX ix_attempt_state ON attempt (state);
CREATE TABLE owner (
  owner_id SERIAL NOT NULL,
  snapshot_id INTEGER NOT NULL,
  plate VARCHAR(10) NOT NULL,
  sealed BYTEA NOT NULL,
  vehicle_class VARCHAR(16) NOT NULL,
  plate_colour VARCHAR(24) NOT NULL,
  status VARCHAR(16) NOT NULL,
  electric BOOLEAN NOT NULL,
  valid_from TIMESTAMP WITH TIME ZONE,
  PRIMARY KEY (owner_id),
  FOREIGN KEY(snapshot_id) REFERENCES owner_snapshot (snapshot_id)
);
CREATE INDEX owner_by_plate ON owner (snapshot_id, plate);
CREATE TABLE timeline (
  entry_id SERIAL NOT NULL,
  case_id INTEGER NOT NULL,
  at TIMESTAMP WITH TIME ZONE NOT NULL,
  from_state VARCHAR(24) NOT NULL,
  to_state VARCHAR(24) NOT NULL,
  event VARCHAR(24) NOT NULL,
  who VARCHAR(64) NOT NULL,
  why TEXT NOT NULL,
  PRIMARY KEY (entry_id),
  FOREIGN KEY(case_id) REFERENCES cases (case_id)
);
CREATE INDEX ix_timeline_case_id ON timeline (case_id);
INSERT INTO schema_version (version) VALUES (1);
