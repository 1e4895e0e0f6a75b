-- Call records. Rows are only ever added, in the order in which calls end, so that every insert goes
-- to the end of its table. What would be random (references, Call-IDs, numbers) is found through
-- `call_key`, whose entries are ordered first by `bucket` (16384 calls that follow each other):
-- inserts stay within the pages of the newest bucket, and a look-up visits one place per bucket.

CREATE TABLE call (
    id              INTEGER  PRIMARY KEY,
    -- The 64 bits of the call reference, as a signed value.
    reference       BIGINT   NOT NULL,
    caller          TEXT,
    caller_number   TEXT     NOT NULL,
    dialled         TEXT     NOT NULL,
    callee          TEXT,
    start_time      BIGINT   NOT NULL,
    answer_time     BIGINT,
    end_time        BIGINT   NOT NULL,
    duration_micros BIGINT   NOT NULL,
    -- Cause value of ITU-T Q.850.
    cause           SMALLINT NOT NULL,
    cause_text      TEXT     NOT NULL,
    -- SIP status that the caller was given, where nobody answered.
    status          SMALLINT,
    -- 0 the caller, 1 the callee, 2 the exchange.
    released_by     SMALLINT NOT NULL,
    codec           TEXT
);

CREATE TABLE call_leg (
    call_id     BIGINT   NOT NULL,
    position    SMALLINT NOT NULL,
    -- 0 the caller's leg, 1 a leg that the exchange made.
    role        SMALLINT NOT NULL,
    sip_call_id TEXT     NOT NULL,
    user_name   TEXT,
    peer        TEXT     NOT NULL,
    PRIMARY KEY (call_id, position)
) WITHOUT ROWID;

-- The course of a call: a version byte and a list of entries in postcard form.
CREATE TABLE call_journal (
    call_id INTEGER PRIMARY KEY,
    entries BLOB    NOT NULL
);

-- The calls `id / 16384 = bucket`, with the span of time in which they came in.
CREATE TABLE call_bucket (
    bucket      INTEGER PRIMARY KEY,
    first_start BIGINT  NOT NULL,
    last_start  BIGINT  NOT NULL
);

-- `key` is the CRC-32 of what can be searched for; the found row has to be compared.
CREATE TABLE call_key (
    bucket  INTEGER NOT NULL,
    key     BIGINT  NOT NULL,
    call_id BIGINT  NOT NULL,
    PRIMARY KEY (bucket, key, call_id)
) WITHOUT ROWID;

-- One row: every closed call up to this place in the journal of calls is in the tables above. It is
-- written in the transaction that adds them, which is why each is added exactly once.
CREATE TABLE journal_position (
    id           INTEGER PRIMARY KEY CHECK (id = 1),
    segment      BIGINT  NOT NULL,
    offset_bytes BIGINT  NOT NULL
);
INSERT INTO journal_position (id, segment, offset_bytes) VALUES (1, 0, 0);
