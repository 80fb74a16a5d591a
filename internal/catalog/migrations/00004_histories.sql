-- +goose Up
-- The clusters that hold, or may hold, rows of a workspace. A row is there
-- before the first row of logs can be.
CREATE TABLE histories (
	workspace TEXT NOT NULL,
	cluster   TEXT NOT NULL,
	created   INTEGER NOT NULL,
	PRIMARY KEY (workspace, cluster)
) STRICT, WITHOUT ROWID;
CREATE INDEX histories_by_cluster ON histories (cluster);

-- Until now a workspace had one cluster at most, and its own account lay there.
INSERT INTO histories (workspace, cluster, created)
	SELECT workspace, domain, created FROM accounts WHERE kind = 'service' AND domain <> 'service';
