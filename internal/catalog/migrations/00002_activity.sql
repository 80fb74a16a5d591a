-- +goose Up
-- Events of the activity log that are not rows yet.
CREATE TABLE activity (
	seq   INTEGER PRIMARY KEY AUTOINCREMENT,
	event TEXT NOT NULL
) STRICT;
