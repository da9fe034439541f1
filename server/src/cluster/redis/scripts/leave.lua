-- Has the members of a node that goes believed for a while: they are on their way to another one.
--
-- Atomic, so that no other node finds it in neither of the two, and takes its members out; and by Redis's own clock.
--
-- KEYS[1]  sorted set of nodes by when they last renewed, in milliseconds since 1970
-- KEYS[2]  sorted set of nodes that go by when they are dead, in milliseconds since 1970
-- ARGV[1]  node
-- ARGV[2]  for how long its members are believed, in milliseconds
-- ARGV[3]  '1' where it has gone, '' where it holds its lease until it has
-- ARGV[4]  expiry of the set, in milliseconds
local time = redis.call('TIME')
local now = tonumber(time[1]) * 1000 + math.floor(tonumber(time[2]) / 1000)

-- Somebody else's, and in the way of all.
if redis.call('TYPE', KEYS[2]).ok ~= 'zset' then
  redis.call('DEL', KEYS[2])
end
redis.call('ZADD', KEYS[2], string.format('%.0f', now + tonumber(ARGV[2])), ARGV[1])
redis.call('PEXPIRE', KEYS[2], ARGV[4])
if ARGV[3] == '1' then
  redis.call('ZREM', KEYS[1], ARGV[1])
end
return now
