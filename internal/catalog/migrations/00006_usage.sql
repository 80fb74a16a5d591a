-- +goose Up
-- What a workspace with a daily cap has taken in on a day (UTC, days since 1970).
CREATE TABLE usage (
	workspace TEXT NOT NULL PRIMARY KEY,
	day       INTEGER NOT NULL,
	bytes     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
