-- Has the members of a name believed for a while, whether or not a node lives by it: they are on their way to another node.
--
-- Atomic, so that no other node finds it in neither of the two, and takes its members out; and by Redis's own clock.
--
-- KEYS[1]  sorted set of names whose members are on their way, by when they are dead, in milliseconds since 1970
-- KEYS[2]  sorted set of nodes by when they last renewed, in milliseconds since 1970; left out where it cannot be asked together
--          with the other: then who asks takes the name out of it
-- ARGV[1]  name; a node that lived by it does so no more
-- ARGV[2]  for how long its members are believed, in milliseconds
-- ARGV[3]  expiry of the sets, in milliseconds
--
-- Returns  1, or 0 where they have had their time: somebody is taking them out, and nobody may be put there any more
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- First, as it needs no memory: then a full Redis carries out what follows. It would refuse it as the first write.
redis.call('PEXPIRE', KEYS[2] or KEYS[1], ARGV[3])
-- Somebody else's, and in the way of all.
if redis.call('TYPE', KEYS[1]).ok ~= 'zset' then
  redis.call('DEL', KEYS[1])
end
local ends = redis.call('ZSCORE', KEYS[1], ARGV[1])
if ends and tonumber(ends) <= now then
  return 0
end
redis.call('ZADD', KEYS[1], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
if KEYS[2] then
  redis.call('ZREM', KEYS[2], ARGV[1])
end
return 1
