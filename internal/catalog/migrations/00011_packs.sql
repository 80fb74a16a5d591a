-- +goose Up
-- The segments of an account that has very many, as they were at some change, in
-- one piece: a copy of rows above, made by who reads them all, and of no use once
-- too many have come and gone since.
CREATE TABLE packs (
	account  TEXT PRIMARY KEY REFERENCES accounts (id),
	segments INTEGER NOT NULL,
	packed   BLOB NOT NULL
) STRICT;

-- Segments that came or went since.
CREATE TABLE unpacked (
	account TEXT NOT NULL,
	segment TEXT NOT NULL,
	PRIMARY KEY (account, segment)
) STRICT, WITHOUT ROWID;
