-- What enrichment says, a text each whose parts stand in a fixed order (auditlake_store::schema): as few columns as it takes.
ALTER TABLE activity ADD COLUMN place VARCHAR;
ALTER TABLE activity ADD COLUMN agent VARCHAR;
ALTER TABLE activity ADD COLUMN person VARCHAR;
