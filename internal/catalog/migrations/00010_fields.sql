-- +goose Up
-- Resources are found by what their services look for, without reading all of them.
CREATE INDEX resources_by_label ON resources (lower(json_extract(body, '$.label'))) WHERE json_extract(body, '$.label') IS NOT NULL;
CREATE INDEX resources_by_immutable ON resources (lower(json_extract(body, '$.immutableId'))) WHERE json_extract(body, '$.immutableId') IS NOT NULL;
CREATE INDEX resources_by_customer ON resources (lower(json_extract(body, '$.customerId'))) WHERE json_extract(body, '$.customerId') IS NOT NULL;
CREATE INDEX resources_by_cluster ON resources (lower(json_extract(body, '$.clusterId'))) WHERE json_extract(body, '$.clusterId') IS NOT NULL;
CREATE INDEX resources_by_link ON resources (lower(json_extract(body, '$.link.cluster'))) WHERE json_extract(body, '$.link.cluster') IS NOT NULL;
