-- +goose Up
-- Segments that the account's manifest may still name and that nobody reads:
-- their objects are gone ('expired') or were found damaged ('damaged').
CREATE TABLE aside (
	segment TEXT PRIMARY KEY,
	account TEXT NOT NULL,
	why     TEXT NOT NULL,
	record  TEXT NOT NULL,
	at      INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX aside_by_account ON aside (account);

-- Segments that a purge took rows out of: backups from before have those rows.
CREATE TABLE purged (
	segment    TEXT PRIMARY KEY,
	operation  TEXT NOT NULL,
	workspace  TEXT NOT NULL,
	table_name TEXT NOT NULL,
	at         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
