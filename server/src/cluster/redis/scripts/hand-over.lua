-- Has a teacher whom its node sends away believed under another name, until somebody takes its place.
--
-- Atomic, so that there is always somebody in the set meanwhile.
--
-- Removes before it adds: in a full Redis a script may write once it has removed.
--
-- Whoever came since it left has its place already: it was quicker than this node, or Redis was away from it meanwhile. Else
-- both would be there, and the session would go on for a while after its teacher has left.
--
-- KEYS[1]  set of the session's teacher connections
-- KEYS[2]  sorted set of members who came lately and took nobody's place, by when, in milliseconds since 1970
-- ARGV[1]  member
-- ARGV[2]  what it is called from now on
-- ARGV[3]  expiry of the set, in milliseconds: at least until it has had its time
-- ARGV[4]  when it left, in milliseconds before now
--
-- Returns  1, or 0 where it is not believed: its place was taken, or it was not in the set before
local MAX_NEWCOMERS = 100
--- Its client may hear that it is sent away before its node sees it go.
local SOONER_MS = 1000
local set, newcomers, member, onTheWay = KEYS[1], KEYS[2], ARGV[1], ARGV[2]

local function nodeOf(who)
  return string.match(who, '^(.*)/')
end

--- @return whether there is somebody who has its place already, and nobody else's
local function isReplaced()
  local time = redis.call('TIME')
  local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)
  local since = string.format('%.0f', now - tonumber(ARGV[4]) - SOONER_MS)
  local found = redis.pcall('ZRANGEBYSCORE', newcomers, since, '+inf', 'LIMIT', 0, MAX_NEWCOMERS)
  for _, other in ipairs(found) do
    -- Who came to the same node is sent away as well.
    if nodeOf(other) ~= nodeOf(member) then
      redis.call('ZREM', newcomers, other)
      if redis.call('SISMEMBER', set, other) == 1 then
        return true
      end
    end
  end
  return false
end

redis.pcall('ZREM', newcomers, member)
local ttl = redis.call('PTTL', set)
if redis.call('SREM', set, member) == 0 then
  return 0
end
if isReplaced() then
  return 0
end
redis.call('SADD', set, onTheWay)
redis.call('PEXPIRE', set, string.format('%.0f', math.max(ttl, tonumber(ARGV[3]))))
return 1
