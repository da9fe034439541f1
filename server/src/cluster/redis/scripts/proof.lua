-- Does once what publishing does: writes a key, and publishes to a channel like those of rooms; and asks for all other
-- rights that publishing, reading and presence need.
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
-- Returns  { how many heard it, seconds of Redis's clock, microseconds, the incarnation of a shard, or '', whether the first key was there }
local proof, channel, teachers, history = KEYS[1], ARGV[2], ARGV[4], KEYS[2]

local function mayServeShard(may)
  return may('SSUBSCRIBE', channel) and may('SUNSUBSCRIBE', channel) and may('CLIENT', 'INFO')
end

local function mayServe(may)
  return (PUBLISH == 'PUBLISH' or mayServeShard(may))
    and may('SUBSCRIBE', channel)
    and may('UNSUBSCRIBE', channel)
    and may('XRANGE', history, '-', '+')
    and may('EXISTS', teachers)
    and may('SADD', teachers, '')
    and may('SREM', teachers, '')
    and may('SCARD', teachers)
    and may('SMEMBERS', teachers)
    and may('SISMEMBER', teachers, '')
    and may('SSCAN', teachers, '0')
    and may('PTTL', teachers)
    and may('PEXPIRE', teachers, '1')
    and may('TYPE', proof)
    and may('EXISTS', proof)
    and may('DEL', proof)
    and may('PEXPIRE', proof, '1')
    and may('GETRANGE', proof, '0', '0')
    and may('SADD', proof, '')
    and may('SREM', proof, '')
    and may('SSCAN', proof, '0')
    and may('ZADD', proof, '0', '')
    and may('ZREM', proof, '')
    and may('ZSCORE', proof, '')
    and may('ZMSCORE', proof, '')
    and may('ZRANGE', proof, '0', '0')
    and may('ZRANGEBYSCORE', proof, '0', '0')
    and may('HSET', proof, '', '')
    and may('HDEL', proof, '')
    and may('HLEN', proof)
    and may('HMGET', proof, '')
    -- For when a script is not known, and when a connection is made anew.
    and may('EVAL', '', '1', proof)
    and may('HELLO', '3')
end

if not (mayPublish(mayOrNote, PUBLISH, channel, { unpack(KEYS, 2) }) and mayServe(mayOrNote)) then
  return redis.error_reply('NOPERM this user lacks ' .. lacks .. ': see the README for the rules that it needs')
end
local before = redis.call('SET', proof, ARGV[3], 'PX', ARGV[1], 'GET')
local listeners = redis.call(PUBLISH, channel, ARGV[3])
local time = redis.call('TIME')
-- As in `renew.lua`; of a whole Redis that is asked there.
local info = PUBLISH == 'SPUBLISH' and redis.pcall('INFO', 'replication')
local incarnation = type(info) == 'string' and string.match(info, 'master_replid:(%x+)') or ''
return { listeners, time[1], time[2], incarnation, before and 1 or 0 }
