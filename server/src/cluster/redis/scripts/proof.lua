-- Does once what publishing does: writes a key, and publishes to a channel like those of rooms; and asks for all other
-- rights that publishing and presence need.
--
-- A script, as publishing is one: what refuses the one refuses the other. Atomic, so that what was published was also
-- written. In front of this text come `PUBLISH`, the verb, and `may-publish.lua` of the emitter.
--
-- KEYS[1]  key that is written, and expires
-- KEYS[2]  and on: keys like a room's, as `publish.lua` has them; not touched
-- ARGV[1]  expiry of the first key, in milliseconds
-- ARGV[2]  channel like a room's
-- ARGV[3]  message
-- ARGV[4]  key like a session's set of teachers; not touched
--
-- Returns  { how many heard it, seconds of Redis's clock, microseconds, the incarnation of a shard, or '' }
local may = redis.acl_check_cmd
if not (mayPublish(PUBLISH, ARGV[2], { unpack(KEYS, 2) })
  and may('SADD', ARGV[4], '') and may('SREM', ARGV[4], '') and may('PEXPIRE', ARGV[4], '1')) then
  return redis.error_reply('NOPERM this user may not do all that publishing and presence need: see the README')
end
redis.call('SET', KEYS[1], ARGV[3], 'PX', ARGV[1])
local listeners = redis.call(PUBLISH, ARGV[2], ARGV[3])
local time = redis.call('TIME')
-- As in `renew.lua`; of a whole Redis that is asked there.
local info = PUBLISH == 'SPUBLISH' and redis.pcall('INFO', 'replication')
local incarnation = type(info) == 'string' and string.match(info, 'master_replid:(%x+)') or ''
return { listeners, time[1], time[2], incarnation }
