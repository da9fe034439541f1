-- Does once what publishing does: writes a key, and publishes to a channel like those of rooms; and asks for all other
-- rights that publishing, reading and presence need.
--
-- A script, as publishing is one: what refuses the one refuses the other. Atomic, so that what was published was also
-- written. In front of this text comes `may-publish.lua` of the emitter.
--
-- KEYS[1]  key that is written, and expires
-- KEYS[2]  and on: keys like a room's, as `publish.lua` has them; not touched
-- ARGV[1]  expiry of the first key, in milliseconds
-- ARGV[2]  channel like a room's
-- ARGV[3]  message
-- ARGV[4]  key like a session's set of teachers; not touched
--
-- Returns  { how many heard it, seconds of Redis's clock, microseconds }
local proof, channel, teachers, history = KEYS[1], ARGV[2], ARGV[4], KEYS[2]

local function mayServe()
  return may(channel, 'SUBSCRIBE', channel)
    and may(channel, 'UNSUBSCRIBE', channel)
    and may(history, 'XRANGE', history, '-', '+')
    and may(teachers, 'EXISTS', teachers)
    and may(teachers, 'SADD', teachers, '')
    and may(teachers, 'SREM', teachers, '')
    and may(teachers, 'SCARD', teachers)
    and may(teachers, 'SMEMBERS', teachers)
    and may(teachers, 'SISMEMBER', teachers, '')
    and may(teachers, 'SSCAN', teachers, '0')
    and may(teachers, 'PTTL', teachers)
    and may(teachers, 'PEXPIRE', teachers, '1')
    and may(proof, 'TYPE', proof)
    and may(proof, 'EXISTS', proof)
    and may(proof, 'DEL', proof)
    and may(proof, 'PEXPIRE', proof, '1')
    and may(proof, 'GETRANGE', proof, '0', '0')
    and may(proof, 'SADD', proof, '')
    and may(proof, 'SREM', proof, '')
    and may(proof, 'SSCAN', proof, '0')
    and may(proof, 'ZADD', proof, '0', '')
    and may(proof, 'ZREM', proof, '')
    and may(proof, 'ZSCORE', proof, '')
    and may(proof, 'ZMSCORE', proof, '')
    and may(proof, 'ZRANGE', proof, '0', '0')
    and may(proof, 'ZRANGEBYSCORE', proof, '0', '0')
    and may(proof, 'HSET', proof, '', '')
    and may(proof, 'HDEL', proof, '')
    and may(proof, 'HLEN', proof)
    and may(proof, 'HMGET', proof, '')
    -- For when a script is not known, and when a connection is made anew.
    and may(proof, 'EVAL', '', '1', proof)
    and may('', 'HELLO', '3')
end

if not (mayPublish('PUBLISH', channel, { unpack(KEYS, 2) }) and mayServe()) then
  return redis.error_reply('NOPERM this user lacks ' .. lacks .. ': see the README for the rules that it needs')
end
redis.call('SET', proof, ARGV[3], 'PX', ARGV[1])
local listeners = redis.call('PUBLISH', channel, ARGV[3])
local time = redis.call('TIME')
return { listeners, time[1], time[2] }
