-- Devices, numbers and settings.

CREATE TABLE account (
    id   INTEGER PRIMARY KEY,
    name TEXT    NOT NULL UNIQUE
);
INSERT INTO account (id, name) VALUES (1, 'default');

-- One row. `value` counts changes of settings, devices and numbers, so that a running exchange asks
-- only for what is new; removals up to `forgotten` are no longer remembered in `removed_device`.
CREATE TABLE revision (
    id        INTEGER PRIMARY KEY CHECK (id = 1),
    value     BIGINT  NOT NULL,
    forgotten BIGINT  NOT NULL
);
INSERT INTO revision (id, value, forgotten) VALUES (1, 1, 0);

CREATE TABLE setting (
    key   TEXT PRIMARY KEY NOT NULL,
    value TEXT NOT NULL
);

CREATE TABLE device (
    id              INTEGER PRIMARY KEY,
    account_id      BIGINT  NOT NULL REFERENCES account (id),
    user_name       TEXT    NOT NULL UNIQUE,
    name            TEXT,
    direct_media    BOOLEAN NOT NULL,
    -- The realm for which the hashes of `user_name:realm:password` were made (RFC 7616).
    realm           TEXT    NOT NULL,
    ha1_md5         BLOB    NOT NULL,
    ha1_sha256      BLOB    NOT NULL,
    ha1_sha512_256  BLOB    NOT NULL,
    -- Microseconds since 1970-01-01T00:00:00Z, as everywhere in this schema.
    created         BIGINT  NOT NULL,
    updated         BIGINT  NOT NULL,
    revision        BIGINT  NOT NULL
);
CREATE INDEX device_revision ON device (revision, id);

CREATE TABLE removed_device (
    user_name TEXT   PRIMARY KEY NOT NULL,
    revision  BIGINT NOT NULL
);
CREATE INDEX removed_device_revision ON removed_device (revision);

-- E.164 numbers as the value of their digits; position 0 is the one that is shown.
CREATE TABLE number (
    number    BIGINT  PRIMARY KEY,
    device_id BIGINT  NOT NULL REFERENCES device (id) ON DELETE CASCADE,
    position  INTEGER NOT NULL
);
CREATE INDEX number_device ON number (device_id, position);

-- Registrations as last written: a version byte and a list in postcard form.
CREATE TABLE binding (
    user_name TEXT   PRIMARY KEY NOT NULL,
    -- When the last of them ends.
    expires   BIGINT NOT NULL,
    bindings  BLOB   NOT NULL
) WITHOUT ROWID;
