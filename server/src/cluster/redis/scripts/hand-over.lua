-- Has a teacher whom its node sends away believed under another name, until somebody takes its place.
--
-- Atomic, so that there is always somebody in the set meanwhile, and no place is taken of one who has not left.
--
-- Removes before it adds: in a full Redis a script may write once it has removed.
--
-- KEYS[1]  set of the session's teacher connections
-- ARGV[1]  member
-- ARGV[2]  what it is called from now on
-- ARGV[3]  expiry of the set, in milliseconds: at least until it has had its time
--
-- Returns  1, or 0 where it was not in the set: what is not believed is not believed again
local set, member, onTheWay = KEYS[1], ARGV[1], ARGV[2]
local ttl = redis.call('PTTL', set)
if redis.call('SREM', set, member) == 0 then
  return 0
end
redis.call('SADD', set, onTheWay)
redis.call('PEXPIRE', set, string.format('%.0f', math.max(ttl, tonumber(ARGV[3]))))
return 1
