-- Adds or removes one teacher connection of a session, and tells the version of the presence that this makes.
--
-- Atomic, so that of all replicas exactly one change finds the set empty or leaves it so, and each change of state has
-- a version of its own.
--
-- KEYS[1]  set of the session's teacher connections
-- KEYS[2]  version: odd while somebody is in the set, even otherwise; one more with each change of state
-- ARGV[1]  'join', 'leave', or 'check' to change nothing
-- ARGV[2]  member
-- ARGV[3]  expiry of the version, in milliseconds
--
-- Returns  the version
if ARGV[1] == 'join' then
  redis.call('SADD', KEYS[1], ARGV[2])
elseif ARGV[1] == 'leave' then
  redis.call('SREM', KEYS[1], ARGV[2])
end
local parity = redis.call('EXISTS', KEYS[1])
local version = tonumber(redis.call('GET', KEYS[2]) or '')
if not version then
  -- Begins at the time, so that versions keep growing when Redis forgets them.
  local now = redis.call('TIME')
  version = 2 * (tonumber(now[1]) * 1000 + math.floor(tonumber(now[2]) / 1000)) + parity
elseif version % 2 ~= parity then
  version = version + 1
end
local text = string.format('%.0f', version)
redis.call('SET', KEYS[2], text, 'PX', ARGV[3])
return text
