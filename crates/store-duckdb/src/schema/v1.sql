CREATE TABLE schema_version (version UINTEGER NOT NULL);

-- What varies in an activity, once. Order of storage: order of arrival.
-- Of ids a few are read without their neighbours (dict_fsst: 4 % larger in all, four times as fast); long texts pack best together (zstd).
CREATE TABLE activity (
    seq UBIGINT NOT NULL,
    received_at TIMESTAMP NOT NULL,
    workspace_id VARCHAR NOT NULL,
    source_id VARCHAR NOT NULL,
    source_ttl UINTEGER NOT NULL,
    id_hash UINTEGER NOT NULL,
    event_time TIMESTAMP NOT NULL,
    event_name VARCHAR NOT NULL,
    event_id VARCHAR NOT NULL USING COMPRESSION dict_fsst,
    organization_id VARCHAR,
    organization_uuid VARCHAR,
    actor_type VARCHAR,
    actor_email VARCHAR,
    actor_user_id VARCHAR,
    actor_ip VARCHAR,
    actor_user_agent VARCHAR,
    actor_api_key_id VARCHAR,
    actor_admin_api_key_id VARCHAR,
    actor_other MAP(VARCHAR, VARCHAR),
    ip_class VARCHAR,
    category VARCHAR NOT NULL,
    outcome VARCHAR NOT NULL,
    product VARCHAR NOT NULL,
    read_only BOOLEAN NOT NULL,
    guessed BOOLEAN NOT NULL,
    target VARCHAR USING COMPRESSION zstd,
    resource_ids VARCHAR USING COMPRESSION dict_fsst,
    raw_rest VARCHAR NOT NULL USING COMPRESSION zstd
);

-- Every transaction: its number, and what came of it.
CREATE TABLE commits (
    seq UBIGINT NOT NULL,
    committed_at TIMESTAMP NOT NULL,
    source_id VARCHAR NOT NULL,
    new_rows UBIGINT NOT NULL,
    known_rows UBIGINT NOT NULL
);

-- Where the rows came from: requests, files.
CREATE TABLE ledger (
    seq UBIGINT NOT NULL,
    source_id VARCHAR NOT NULL,
    happened_at TIMESTAMP NOT NULL,
    kind VARCHAR NOT NULL,
    new_rows UBIGINT NOT NULL,
    known_rows UBIGINT NOT NULL,
    detail VARCHAR NOT NULL
);

-- How far each source has come.
CREATE TABLE checkpoint_state (
    source_id VARCHAR NOT NULL,
    name VARCHAR NOT NULL,
    value VARCHAR NOT NULL,
    seq UBIGINT NOT NULL
);
