-- Notices of alerts on their way to people, in the order of their coming, until some time after they were settled.
CREATE TABLE delivery (
    number UBIGINT NOT NULL,
    id VARCHAR NOT NULL,
    destination VARCHAR NOT NULL,
    alert_id VARCHAR NOT NULL,
    event VARCHAR NOT NULL,
    severity VARCHAR NOT NULL,
    alert_state VARCHAR NOT NULL,
    activities UBIGINT NOT NULL,
    state VARCHAR NOT NULL,
    attempts UINTEGER NOT NULL,
    queued_at TIMESTAMP NOT NULL,
    since TIMESTAMP NOT NULL,
    next_at TIMESTAMP NOT NULL,
    settled_at TIMESTAMP,
    error VARCHAR,
    notice VARCHAR NOT NULL
);

-- The number of the last change of an alert whose notices are queued: one row, or none before the first.
CREATE TABLE delivery_progress (handled UBIGINT NOT NULL);
