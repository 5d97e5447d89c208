-- What detection found. Columns for what is asked for, the whole finding as JSON beside them.
CREATE TABLE alert (
    id VARCHAR NOT NULL,
    rule VARCHAR NOT NULL,
    severity VARCHAR NOT NULL,
    state VARCHAR NOT NULL,
    title VARCHAR NOT NULL,
    entity VARCHAR NOT NULL,
    count UBIGINT NOT NULL,
    first_seen TIMESTAMP NOT NULL,
    last_seen TIMESTAMP NOT NULL,
    historical BOOLEAN NOT NULL,
    raised_at TIMESTAMP NOT NULL,
    changed_at TIMESTAMP NOT NULL,
    news UBIGINT NOT NULL,
    finding VARCHAR NOT NULL
);

-- Who did what to an alert.
CREATE TABLE alert_change (
    alert_id VARCHAR NOT NULL,
    number UBIGINT NOT NULL,
    happened_at TIMESTAMP NOT NULL,
    who VARCHAR NOT NULL,
    what VARCHAR NOT NULL,
    note VARCHAR
);

-- How far each subscriber has come, and the number of the last change to any alert.
CREATE TABLE subscriber (
    name VARCHAR NOT NULL,
    seq UBIGINT NOT NULL
);
