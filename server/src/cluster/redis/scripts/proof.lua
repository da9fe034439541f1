-- Does once what publishing does: writes a key, and publishes to a channel like those of rooms.
--
-- A script, as publishing is one: what refuses the one refuses the other. Atomic, so that what was published was also
-- written.
--
-- KEYS[1]  key that is written, and expires
-- KEYS[2]  key like a room's history; not touched, but Redis refuses it to a user who may not
-- ARGV[1]  expiry of the first key, in milliseconds
-- ARGV[2]  channel like a room's
-- ARGV[3]  message
--
-- Returns  how many heard it
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[1])
return redis.call('PUBLISH', ARGV[2], ARGV[3])
