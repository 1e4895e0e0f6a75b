-- How the media of a device are protected, as the words of the command line. Devices that were there
-- before follow their signalling.

ALTER TABLE device ADD COLUMN encryption TEXT NOT NULL DEFAULT 'automatic';
ALTER TABLE device ADD COLUMN media_transport TEXT NOT NULL DEFAULT 'automatic';
