-- +goose Up
-- Until applied reaches fill the index is being built from nothing. One that is
-- bound to no log never does.
ALTER TABLE position ADD COLUMN IF NOT EXISTS fill bigint NOT NULL DEFAULT 0;
UPDATE position SET fill = 9223372036854775807 WHERE identity = '';
