-- +goose Up
-- How far the catalog has come: changes counts its transactions that changed
-- something. witnessed is where that is told, '' for nowhere.
CREATE TABLE head (
	one       INTEGER PRIMARY KEY CHECK (one = 1),
	changes   INTEGER NOT NULL,
	witnessed TEXT NOT NULL
) STRICT;
INSERT INTO head (one, changes, witnessed) VALUES (1, 0, '');
