-- Who looked up what, when.
CREATE TABLE lookup (
    happened_at TIMESTAMP NOT NULL,
    who VARCHAR NOT NULL,
    address VARCHAR,
    what VARCHAR NOT NULL,
    detail VARCHAR NOT NULL,
    link VARCHAR NOT NULL
);
