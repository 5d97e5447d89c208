-- Which entry of its commit's ledger brought a row, whether it came after its window had been read, and whether it is one
-- of our own requests. NULL is the usual case and costs nothing.
ALTER TABLE activity ADD COLUMN entry UINTEGER;
ALTER TABLE activity ADD COLUMN late BOOLEAN;
ALTER TABLE activity ADD COLUMN own_read BOOLEAN;
ALTER TABLE ledger ADD COLUMN entry UINTEGER;
ALTER TABLE ledger ADD COLUMN late_rows UBIGINT DEFAULT 0;

-- What the catalogue does not know, and what re-reading shows that was not so at first.
CREATE TABLE drift_state (
    source_id VARCHAR NOT NULL,
    kind VARCHAR NOT NULL,
    event_name VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    first_seen TIMESTAMP NOT NULL,
    last_seen TIMESTAMP NOT NULL,
    times UBIGINT NOT NULL,
    example VARCHAR NOT NULL
);
