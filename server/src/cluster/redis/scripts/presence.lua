-- Adds or removes one teacher connection of a session, and tells the version of the presence that this makes, and when
-- that may be told.
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
-- The first change may be told at once. What changes within the window after it may be told when that is over, if it has
-- not changed back by then: whoever made such a change asks again then, and so does whoever takes its place when it dies.
--
-- KEYS[1]  set of the session's teacher connections
-- KEYS[2]  version: odd while somebody is in the set, even otherwise; a new one with each change of state
-- KEYS[3]  window: '<when it is over> <version that opened it>'
-- KEYS[4]  sorted set of members who came lately and took nobody's place, by when, in milliseconds since 1970
-- ARGV[1]  'join'; 'claim' where one who is there already joins under another name, and is no newcomer; 'leave'; or
--          'check' to change nothing
-- ARGV[2]  member
-- ARGV[3]  expiry of the version, in milliseconds
-- ARGV[4]  a version that the answer must be newer than, or '0'
-- ARGV[5]  expiry of the set, in milliseconds: whoever holds a teacher renews it, so that a set does not outlive them all
-- ARGV[6]  duration of a window, in milliseconds; 0 for none
-- ARGV[7]  and more: names of teachers who are on their way to other nodes. Whoever joins takes the place of one of those.
--
-- Returns  { the version; in how many milliseconds it may be told }
local MAX_VERSION = 2 ^ 52
--- No session has so many teachers. Where somebody has made it so, nobody takes the place of another.
local MAX_LOOKED_THROUGH = 10000
--- For so long a newcomer is remembered: who sent it here may have to wait for Redis before it says so (`hand-over.lua`).
local NEWCOMER_MS = 60000
local set, key, windowKey, newcomers, operation, member = KEYS[1], KEYS[2], KEYS[3], KEYS[4], ARGV[1], ARGV[2]
local windowMs = tonumber(ARGV[6])

local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

--- @param isChange whether the state has just changed; else there may be nothing to tell
--- @return in how many milliseconds a version may be told; opens a window where it is the first one to be told
local function waitFor(version, isChange)
  if windowMs == 0 then
    return 0
  end
  local text = redis.pcall('GET', windowKey)
  local over, opened = string.match(type(text) == 'string' and text or '', '^(%d+) (%d+)$')
  over, opened = tonumber(over), tonumber(opened)
  -- What was told already may be told again, and is no news.
  if opened and (opened - version) % 2 == 0 or not opened and not isChange then
    return 0
  end
  -- One that is further away than any window was opened by another clock.
  if over and over > now and over <= now + windowMs then
    return over - now
  end
  -- Remembered for longer, as the next window is opened by the other state only.
  local value = string.format('%.0f %.0f', now + windowMs, version)
  redis.pcall('SET', windowKey, value, 'PX', string.format('%.0f', 2 * windowMs + 1000))
  return 0
end

local function answer(version, isChange)
  return { string.format('%.0f', version), waitFor(version, isChange) }
end

--- @return a teacher who is on its way, if there is one
local function findPlace()
  local isOnTheWay = {}
  for i = 7, #ARGV do
    isOnTheWay[ARGV[i]] = true
  end
  if #ARGV < 7 or redis.call('SCARD', set) > MAX_LOOKED_THROUGH then
    return nil
  end
  for _, other in ipairs(redis.call('SMEMBERS', set)) do
    if other ~= member and isOnTheWay[string.match(other, '^(.*)/') or ''] then
      return other
    end
  end
  return nil
end

local before = redis.call('EXISTS', set)
local changed = 0
local place = nil
if operation == 'join' or operation == 'claim' then
  changed = redis.call('SADD', set, member)
  -- It lives longer where a node that goes has handed over what it held.
  if redis.call('PTTL', set) < tonumber(ARGV[5]) then
    redis.pcall('PEXPIRE', set, ARGV[5])
  end
  -- There is always somebody in the set meanwhile.
  local isNew = changed == 1 and operation == 'join'
  place = isNew and findPlace()
  if place then
    redis.call('SREM', set, place)
  elseif isNew then
    redis.pcall('ZADD', newcomers, string.format('%.0f', now), member)
    redis.pcall('PEXPIRE', newcomers, NEWCOMER_MS)
  end
elseif operation == 'leave' then
  changed = redis.call('SREM', set, member)
  redis.pcall('ZREM', newcomers, member)
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
  return answer(version, false)
end

local newest = math.max(2 * now, (version or 0) + 1, tonumber(ARGV[4]) + 1)
newest = newest + (newest + parity) % 2
local text = string.format('%.0f', newest)
local written = redis.pcall('SET', key, text, 'PX', ARGV[3])
if written.err then
  if changed == 1 then
    redis.call(operation == 'leave' and 'SADD' or 'SREM', set, member)
    redis.pcall('ZREM', newcomers, member)
    if place then
      redis.call('SADD', set, place)
    end
    redis.pcall('PEXPIRE', set, ARGV[5])
  end
  return written
end
return answer(newest, before ~= parity)
