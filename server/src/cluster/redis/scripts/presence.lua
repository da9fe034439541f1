-- Adds or removes one teacher connection of a session, and tells the version of the presence that this makes.
--
-- Atomic, so that of all replicas exactly one change finds the set empty or leaves it so, and each change of state has
-- a version of its own.
--
-- A version is the time of the change, or one more than the version before where that is later. So it is newer than any
-- that was given before, also where Redis has forgotten the version, or has come back with an older one.
--
-- Removes before it writes anything else: in a full Redis a script may write once it has removed. Where the version is
-- refused, the set is put back: nothing is done by half.
--
-- KEYS[1]  set of the session's teacher connections
-- KEYS[2]  version: odd while somebody is in the set, even otherwise; a new one with each change of state
-- ARGV[1]  'join', 'leave', or 'check' to change nothing
-- ARGV[2]  member
-- ARGV[3]  expiry of the version, in milliseconds
-- ARGV[4]  a version that the answer must be newer than, or '0'
-- ARGV[5]  expiry of the set, in milliseconds: whoever holds a teacher renews it, so that a set does not outlive them all
--
-- Returns  the version
local MAX_VERSION = 2 ^ 52
local set, key, operation, member = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

local before = redis.call('EXISTS', set)
local changed = 0
if operation == 'join' then
  changed = redis.call('SADD', set, member)
  redis.pcall('PEXPIRE', set, ARGV[5])
elseif operation == 'leave' then
  changed = redis.call('SREM', set, member)
else
  -- A write that a full Redis carries out.
  redis.call('PEXPIRE', key, ARGV[3])
end
local parity = redis.call('EXISTS', set)

-- What no change has made is none: somebody else's, or too large to count on from.
local version = tonumber(redis.call('GET', key) or nil)
if version and not (version > 0 and version < MAX_VERSION) then
  version = nil
end
if version and version % 2 == parity and before == parity and version > tonumber(ARGV[4]) then
  return string.format('%.0f', version)
end

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
local newest = math.max(2 * now, (version or 0) + 1, tonumber(ARGV[4]) + 1)
local text = string.format('%.0f', newest + (newest + parity) % 2)
local written = redis.pcall('SET', key, text, 'PX', ARGV[3])
if written.err then
  if changed == 1 then
    redis.call(operation == 'join' and 'SREM' or 'SADD', set, member)
    redis.pcall('PEXPIRE', set, ARGV[5])
  end
  return written
end
return text
