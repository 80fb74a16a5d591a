-- +goose Up
-- How far a diagnostic setting has taken the audit records of its vault: the
-- number, in the vault's own log, of the last record that is a row.
CREATE TABLE audit_marks (
	setting TEXT PRIMARY KEY,
	mark    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
