-- How the media of each leg were protected while the call was answered, the weakest that applied.
-- Legs of calls that were recorded before do not say.

-- 0 in clear, 1 SRTP with keys from the session description, 2 SRTP with keys from a DTLS handshake.
ALTER TABLE call_leg ADD COLUMN protection SMALLINT;
-- The crypto suite by its registered name, where one was used and is known.
ALTER TABLE call_leg ADD COLUMN suite TEXT;
-- Whether the signalling was encrypted that carried the keys or the fingerprints.
ALTER TABLE call_leg ADD COLUMN signalling_encrypted BOOLEAN;
