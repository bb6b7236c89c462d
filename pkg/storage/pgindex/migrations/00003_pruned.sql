-- +goose Up
-- Which revisions are not kept any more: those up to through that are not in kept.
CREATE TABLE IF NOT EXISTS pruned (
	type text COLLATE "C" NOT NULL,
	id text COLLATE "C" NOT NULL,
	seq bigint NOT NULL,
	through integer NOT NULL,
	kept integer[] NOT NULL,
	PRIMARY KEY (type, id)
);
