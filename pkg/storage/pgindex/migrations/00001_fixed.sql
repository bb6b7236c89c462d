-- +goose Up
CREATE TABLE IF NOT EXISTS position (one boolean PRIMARY KEY CHECK (one), identity text NOT NULL, applied bigint NOT NULL);
INSERT INTO position VALUES (true, '', 0) ON CONFLICT DO NOTHING;
CREATE TABLE IF NOT EXISTS definitions (
	name text COLLATE "C" PRIMARY KEY,
	type text COLLATE "C" NOT NULL,
	definition bytea NOT NULL,
	serving boolean NOT NULL,
	fill bigint NOT NULL,
	replayed bigint NOT NULL
);
CREATE TABLE IF NOT EXISTS events (
	seq bigint PRIMARY KEY,
	type text COLLATE "C" NOT NULL,
	id text COLLATE "C" NOT NULL,
	wrote integer NOT NULL,
	at bigint NOT NULL,
	damaged text,
	header bytea NOT NULL,
	keyed text COLLATE "C"
);
CREATE INDEX IF NOT EXISTS events_by_key ON events (keyed, seq) WHERE keyed IS NOT NULL;
CREATE TABLE IF NOT EXISTS holders (
	digest text COLLATE "C" NOT NULL,
	type text COLLATE "C" NOT NULL,
	id text COLLATE "C" NOT NULL,
	PRIMARY KEY (digest, type, id)
);
CREATE INDEX IF NOT EXISTS holders_of_resource ON holders (type, id);
CREATE INDEX IF NOT EXISTS events_of_resource ON events (type, id, seq, wrote);
