-- +goose Up
CREATE TABLE tenants (
	id      TEXT PRIMARY KEY,
	name    TEXT NOT NULL,
	created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

-- key and type_key are the lower-case forms of id and type: a scope's
-- descendants are one range of the primary key.
CREATE TABLE resources (
	key      TEXT PRIMARY KEY,
	id       TEXT NOT NULL,
	type_key TEXT NOT NULL,
	type     TEXT NOT NULL,
	name     TEXT NOT NULL,
	tenant   TEXT NOT NULL,
	location TEXT NOT NULL,
	tags     TEXT NOT NULL,
	body     TEXT NOT NULL,
	etag     TEXT NOT NULL,
	created  INTEGER NOT NULL,
	modified INTEGER NOT NULL,
	deleted  INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX resources_by_type ON resources (type_key, key);

CREATE TABLE operations (
	id       TEXT PRIMARY KEY,
	kind     TEXT NOT NULL,
	resource TEXT NOT NULL,
	key      TEXT NOT NULL,
	status   TEXT NOT NULL,
	error    TEXT,
	input    TEXT,
	caller   TEXT NOT NULL,
	started  INTEGER NOT NULL,
	ended    INTEGER
) STRICT, WITHOUT ROWID;
CREATE INDEX operations_running ON operations (started) WHERE ended IS NULL;
CREATE INDEX operations_by_resource ON operations (key, started);

CREATE TABLE principals (
	object_id TEXT PRIMARY KEY,
	tenant    TEXT NOT NULL REFERENCES tenants (id),
	app_id    TEXT NOT NULL,
	kind      TEXT NOT NULL,
	name      TEXT NOT NULL,
	resource  TEXT NOT NULL,
	key       TEXT NOT NULL,
	created   INTEGER NOT NULL,
	UNIQUE (tenant, app_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX principals_by_app ON principals (app_id);
CREATE UNIQUE INDEX principals_by_resource ON principals (key) WHERE key <> '';

CREATE TABLE secrets (
	object_id TEXT NOT NULL REFERENCES principals (object_id) ON DELETE CASCADE,
	id        TEXT NOT NULL,
	salt      BLOB NOT NULL,
	hash      BLOB NOT NULL,
	created   INTEGER NOT NULL,
	expires   INTEGER,
	PRIMARY KEY (object_id, id)
) STRICT, WITHOUT ROWID;

CREATE TABLE accounts (
	id        TEXT PRIMARY KEY,
	domain    TEXT NOT NULL,
	workspace TEXT NOT NULL,
	kind      TEXT NOT NULL,
	created   INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX accounts_by_domain ON accounts (domain);

CREATE TABLE wraps (
	account    TEXT NOT NULL REFERENCES accounts (id),
	generation INTEGER NOT NULL,
	kid        TEXT NOT NULL,
	record     TEXT NOT NULL,
	created    INTEGER NOT NULL,
	PRIMARY KEY (account, generation, kid)
) STRICT, WITHOUT ROWID;

CREATE TABLE canaries (
	cluster TEXT PRIMARY KEY,
	kid     TEXT NOT NULL,
	record  TEXT NOT NULL,
	created INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE manifests (
	account TEXT PRIMARY KEY REFERENCES accounts (id),
	seq     INTEGER NOT NULL,
	floor   INTEGER NOT NULL,
	mac     BLOB NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE segments (
	id         TEXT PRIMARY KEY,
	account    TEXT NOT NULL REFERENCES accounts (id),
	workspace  TEXT NOT NULL,
	table_name TEXT NOT NULL,
	generation INTEGER NOT NULL,
	row_count  INTEGER NOT NULL,
	bytes      INTEGER NOT NULL,
	min_time   INTEGER NOT NULL,
	max_time   INTEGER NOT NULL,
	columns    TEXT NOT NULL,
	created    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX segments_by_account ON segments (account, workspace, table_name, min_time);
