-- +goose Up
-- Which of very many segments are old is found without looking at those that came lately.
CREATE INDEX segments_by_age ON segments (account, workspace, table_name, created);
